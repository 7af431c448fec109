#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/model/port.hpp>
#include <sluice/pcie/ats.hpp>
#include <sluice/pcie/function.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::pcie {

// The access that was not served. An endpoint sees the response; `outcome.event` is for whoever checks the SMMU.
struct Abort {
  std::uint64_t iova{}; // of the first byte that was not moved
  bool write{};
  model::Outcome outcome{};
};

struct CopyJob {
  std::uint64_t source{};
  std::uint64_t destination{};
  std::uint64_t size{};
  std::optional<unsigned> context{}; // none: without a PASID
  bool untranslated{};               // 10.1.1: the ATC is not used, ATS Enable or not
};

// `moved` bytes were read and written (of a single access: transferred); then came the abort, if any. A function that
// is no bus master moves nothing and says so, and likewise where the job's context has no PASID, or PASIDs are not
// enabled.
struct CopyReport {
  std::uint64_t moved{};
  std::optional<Abort> abort{};
  bool not_master{};
  bool no_pasid{};
  bool waiting{}; // for a page that was asked for

  bool complete() const { return !abort && !not_master && !no_pasid && !waiting; }
};

// A job that may have to wait for pages.
class CopyTask {
public:
  explicit CopyTask(const CopyJob& job) : job_{job} {}

  const CopyReport& report() const { return report_; }
  bool waiting() const { return report_.waiting; }

private:
  friend class CopyEngine;

  CopyJob job_;
  CopyReport report_{};
  std::optional<std::uint16_t> group_{}; // the page request that it waits for
  std::uint64_t asked_for_{~0ULL};
  unsigned attempts_{0}; // to get that page
};

struct CopyEngineConfig {
  AtsConfig ats{};
  unsigned contexts{};     // at most 4096
  unsigned pages_ahead{1}; // that one group asks for
};

// Copies memory between IOVAs. It tries every access once: what its report calls moved was moved at the first attempt.
// Several threads may give it jobs, each with a port of its own.
class CopyEngine : public Function {
public:
  // A read of `burst` bytes is followed by the writes of the same bytes, and a burst is the longest time for which a
  // CMD_SYNC can have to wait for this engine.
  static constexpr std::uint64_t burst = 4096;

  // Without any capability for translations.
  explicit CopyEngine(Address address);
  CopyEngine(Address address, const CopyEngineConfig& config, platform::Sync& sync, platform::Time& time);

  CopyReport copy(model::Port& port, const CopyJob& job);
  CopyReport read(model::Port& port, std::uint64_t iova, void* into, std::uint64_t size,
                  std::optional<unsigned> context = {});
  CopyReport write(model::Port& port, std::uint64_t iova, const void* from, std::uint64_t size,
                   std::optional<unsigned> context = {});
  // 10.4: goes on as far as it can. With PRI Enable, a page that is not there is asked for, and the task waits until a
  // later call finds it answered. A task that waits and is not to go on is abandoned.
  void advance(model::Port& port, CopyTask& task);
  void abandon(CopyTask& task);

  // Which PASID the jobs of a context have; any thread may.
  void set_context(unsigned context, std::optional<std::uint32_t> pasid);
  // Null without capabilities.
  Ats* ats() { return ats_ ? &*ats_ : nullptr; }

  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& invalidation) override;
  bool atc_completed(std::uint8_t tag) override;
  void page_response(const model::PageResponse& response) override;
  void reset() override;

protected:
  void on_config_write(std::uint16_t offset, unsigned size) override;

private:
  static constexpr unsigned most_attempts = 4; // to get a page that was said to be there
  static constexpr std::uint32_t no_pasid = ~0U;

  bool ready(const std::optional<unsigned>& context, CopyReport& report, std::optional<std::uint32_t>& pasid) const;
  model::Request request(std::uint64_t iova, bool write, std::optional<std::uint32_t> pasid) const;
  model::Transfer transfer(model::Port::Burst& burst, const model::Request& request, void* data, std::uint64_t size,
                           bool untranslated, bool& not_present);
  CopyReport single(model::Port& port, std::uint64_t iova, void* data, std::uint64_t size, bool write,
                    const std::optional<unsigned>& context);
  bool still_waits(CopyTask& task);
  bool ask_for_page(model::Port& port, CopyTask& task, const model::Request& of, std::uint64_t left);

  std::optional<Ats> ats_;
  std::vector<base::Atomic<std::uint32_t>> pasids_; // by context
  const unsigned pages_ahead_{1};
};

} // namespace sluice::pcie

#pragma once

#include <sluice/model/port.hpp>
#include <sluice/pcie/function.hpp>

#include <cstdint>
#include <optional>

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
};

// `moved` bytes were read and written (of a single access: transferred); then came the abort, if any. A function that
// is no bus master moves nothing and says so.
struct CopyReport {
  std::uint64_t moved{};
  std::optional<Abort> abort{};
  bool not_master{};

  bool complete() const { return !abort && !not_master; }
};

// Copies memory between IOVAs. It tries every access once: what its report calls moved was moved at the first attempt.
// Several threads may give it jobs, each with a port of its own.
class CopyEngine : public Function {
public:
  // A read of `burst` bytes is followed by the writes of the same bytes, and a burst is the longest time for which a
  // CMD_SYNC can have to wait for this engine.
  static constexpr std::uint64_t burst = 4096;

  explicit CopyEngine(Address address);

  CopyReport copy(model::Port& port, const CopyJob& job);
  CopyReport read(model::Port& port, std::uint64_t iova, void* into, std::uint64_t size);
  CopyReport write(model::Port& port, std::uint64_t iova, const void* from, std::uint64_t size);

private:
  model::Request request(std::uint64_t iova, bool write) const;
};

} // namespace sluice::pcie

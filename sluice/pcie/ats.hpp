#pragma once

#include <sluice/model/port.hpp>
#include <sluice/pcie/atc.hpp>
#include <sluice/pcie/page_requests.hpp>
#include <sluice/pcie/translation_capabilities.hpp>

#include <array>
#include <cstdint>

namespace sluice::pcie {

struct AtsConfig {
  TranslationConfig capabilities{};
  std::size_t atc_entries{64};
  std::uint64_t page_wait_us{1'000'000}; // for a page that was asked for
};

// What a function with ATS, PASIDs and PRI does with translations: its capabilities, its ATC, and how its accesses go.
class Ats {
public:
  Ats(ConfigSpace& space, const AtsConfig& config, platform::Sync& sync, platform::Time& time)
      : capabilities_{space, config.capabilities}, atc_{sync, config.atc_entries},
        pages_{capabilities_, sync, time, config.page_wait_us}, sync_{sync} {}

  const TranslationCapabilities& capabilities() const { return capabilities_; }
  Atc& atc() { return atc_; }
  PageRequests& pages() { return pages_; }

  // Page by page, up to the first piece that is not served. Translated with ATS Enable, else as it is. `not_present`:
  // that piece has no translation that permits it, and a page request may help.
  model::Transfer transfer(model::Port::Burst& burst, model::Request request, void* data, std::uint64_t size,
                           bool& not_present);

  // From the SMMU, see Function.
  model::AtcAnswer invalidate(const model::AtcInvalidation& invalidation);
  bool completed(std::uint8_t tag);

  // After each write of configuration space, and as after a reset of the function.
  void on_config_write();
  void reset();

  // For tests: how invalidations are met.
  enum class Manner : std::uint8_t {
    prompt,
    slow,  // pending until complete_all(), without effect until then
    loses, // takes effect, and the completion is lost
  };
  void set_manner(Manner manner) { manner_.store(manner); }
  void complete_all();

private:
  static constexpr std::size_t tags = 32;
  struct Pending {
    enum class State : std::uint8_t { none, waits, done, lost };
    State state{};
    model::AtcInvalidation invalidation{};
  };
  model::Outcome access(model::Port::Burst& burst, const model::Request& request, void* data, bool& not_present);

  TranslationCapabilities capabilities_;
  Atc atc_;
  PageRequests pages_;
  platform::Sync& sync_;
  platform::SpinLock lock_; // of pending_
  std::array<Pending, tags> pending_{};
  base::Atomic<Manner> manner_{Manner::prompt};
  base::Atomic<bool> was_enabled_{false};
};

} // namespace sluice::pcie

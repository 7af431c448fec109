#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/platform/sync.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

// A use of a cached value that memory no longer holds and for which no invalidation is outstanding: by
// Knobs::watch_stale.
//
// Software changes memory first and queues the invalidation afterwards. A value that differs is therefore only noted
// when it is first used. It is a stale use when it is used again after Knobs::stale_after_syncs more CMD_SYNCs have
// completed, still differs in the same way, and no CFGI or TLBI that covers it has been applied since or waits in the
// command queue. With several threads that issue CMD_SYNCs, the knob has to be at least their number. Where software
// may have forgotten its CMD_SYNCs too, Knobs::stale_after_us says after how much time it counts without them.
//
// What an endpoint's ATC holds is compared when a translated transaction uses it, if whoever sends that says what was
// translated (Port::Burst::access_translated). An ATC is invalidated last, after up to three CMD_SYNCs for structures
// and TLBs: its grace is four times the knob.
namespace sluice::model {

enum class StaleKind : std::uint8_t { l1std, ste, l1cd, cd, translation, atc };

struct StaleUse {
  StaleKind kind{};
  std::uint32_t stream_id{};
  std::optional<std::uint32_t> substream_id{};
  std::uint64_t address{};               // IOVA of the access
  std::uint64_t cached{};                // the first word that differs, or of a translation its 4 KB
  std::optional<std::uint64_t> memory{}; // likewise; no value where the tables have no translation
  arch::Command missing{};               // a command that would have been enough
};

struct StaleUses {
  std::uint64_t count{};
  std::vector<StaleUse> latest{}; // in their order
};

// Of all ports. Any thread.
class StaleUseLog {
public:
  static constexpr std::size_t kept = 64;

  explicit StaleUseLog(platform::Sync& sync) : sync_{sync} {}

  void add(const StaleUse& use) {
    const platform::SpinGuard guard{sync_, lock_};
    uses_[count_++ % kept] = use;
  }
  // But for the first `known` ones, which somebody has seen.
  StaleUses all(std::uint64_t known = 0) {
    const platform::SpinGuard guard{sync_, lock_};
    StaleUses result{count_, {}};
    for (std::uint64_t i = std::max(known, count_ < kept ? 0 : count_ - kept); i < count_; ++i) {
      result.latest.push_back(uses_[i % kept]);
    }
    return result;
  }

private:
  platform::Sync& sync_;
  platform::SpinLock lock_;
  std::uint64_t count_{0};
  std::array<StaleUse, kept> uses_{};
};

} // namespace sluice::model

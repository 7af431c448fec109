#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/machine/command_view.hpp>
#include <sluice/platform/mmio.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>
#include <vector>

namespace sluice::machine {

// A register frame that remembers which TLBI commands the driver has given, until somebody wants to know what is
// invalid by now. Commands count from the SMMU's start, as model::Counters::commands does.
class TlbiWatch final : public platform::Mmio {
public:
  // More than so many that nobody has asked for are taken for one that invalidates everything.
  static constexpr std::size_t most = 256;

  TlbiWatch(platform::Mmio& inner, const hosted::Arena& arena, platform::Sync& sync)
      : inner_{inner}, view_{arena}, sync_{sync} {}

  // Those behind which the SMMU has completed a CMD_SYNC, when it has consumed so many commands. Once each.
  std::vector<arch::Command> take_completed(std::uint64_t consumed);

  std::uint32_t read32(std::uint32_t offset) override { return inner_.read32(offset); }
  std::uint64_t read64(std::uint32_t offset) override { return inner_.read64(offset); }
  void write32(std::uint32_t offset, std::uint32_t value) override;
  void write64(std::uint32_t offset, std::uint64_t value) override;

private:
  static constexpr std::uint64_t no_sync_yet = ~0ULL;
  struct Given {
    arch::Command command{};
    std::uint64_t sync_at{no_sync_yet}; // number of the CMD_SYNC behind it
  };

  void see(const arch::Command& command);
  void widen();

  platform::Mmio& inner_;
  CommandView view_;
  platform::Sync& sync_;
  platform::SpinLock lock_; // of what follows
  std::vector<Given> given_;
  std::uint64_t commands_{0};
};

} // namespace sluice::machine

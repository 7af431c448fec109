#pragma once

#include <sluice/driver/registers.hpp>
#include <sluice/platform/sync.hpp>

namespace sluice::driver {

// 6.3.19 GERROR and GERRORN, which several parties acknowledge bits of.
class GlobalErrors {
public:
  GlobalErrors(Registers& registers, platform::Sync& sync) : registers_{registers}, sync_{sync} {}

  // The errors that are active.
  arch::GERROR active() {
    return arch::GERROR::from(registers_.read<arch::GERROR>().raw() ^ registers_.read<arch::GERRORN>().raw());
  }
  // Holds off others who acknowledge.
  platform::SpinGuard guard() { return platform::SpinGuard{sync_, lock_}; }
  // With the guard held. Only active bits may be toggled: others would become active.
  void acknowledge(arch::GERROR bits) {
    const auto known = registers_.read<arch::GERRORN>().raw();
    registers_.write(arch::GERRORN::from(known ^ bits.raw()));
  }

private:
  Registers& registers_;
  platform::Sync& sync_;
  platform::SpinLock lock_;
};

} // namespace sluice::driver

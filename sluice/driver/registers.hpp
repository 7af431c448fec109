#pragma once

#include <sluice/arch/registers.hpp>
#include <sluice/platform/mmio.hpp>

namespace sluice::driver {

// The register frame, by name.
class Registers {
public:
  explicit Registers(platform::Mmio& mmio) : mmio_{mmio} {}

  template <class R>
  R read() {
    if constexpr (R::width == 64) {
      return R::from(mmio_.read64(R::offset));
    } else {
      return R::from(mmio_.read32(R::offset));
    }
  }
  template <class R>
  void write(const R& value) {
    static_assert(R::access == arch::Access::rw);
    if constexpr (R::width == 64) {
      mmio_.write64(R::offset, value.raw());
    } else {
      mmio_.write32(R::offset, value.raw());
    }
  }

private:
  platform::Mmio& mmio_;
};

} // namespace sluice::driver

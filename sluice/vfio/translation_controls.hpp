#pragma once

#include <sluice/pcie/function.hpp>
#include <sluice/platform/pci_translation.hpp>

#include <cstdint>

namespace sluice::vfio {

// What the host's driver has switched on of a function's PASIDs, PRI and ATS, as PCI code keeps it across a reset: the
// driver does not hear of the reset.
class TranslationControls {
public:
  explicit TranslationControls(pcie::Function& function) : function_{function} {
    Reach reach{function};
    pasid_ = save(reach, platform::pci::pasid_id, platform::pci::pasid_control);
    pri_ = save(reach, platform::pci::pri_id, platform::pci::pri_control);
    ats_ = save(reach, platform::pci::ats_id, platform::pci::ats_control);
    if (pri_.at != 0) {
      allocation_ = function.config_read(allocation_at(), 4);
    }
  }

  // 7.8.9.3: PASIDs before ATS, and 10.5.2.2 a number of requests before PRI.
  void restore() {
    put(pasid_);
    if (pri_.at != 0) {
      function_.config_write(allocation_at(), 4, allocation_);
    }
    put(pri_);
    put(ats_);
  }

private:
  struct Control {
    std::uint16_t at{}; // 0: there is none
    std::uint32_t value{};
  };
  struct Reach final : platform::PciFunction {
    explicit Reach(pcie::Function& f) : function{f} {}
    platform::PciFacts facts() const override { return {}; }
    std::uint32_t config_read(std::uint16_t at, unsigned size) override { return function.config_read(at, size); }
    void config_write(std::uint16_t, unsigned, std::uint32_t) override {}
    pcie::Function& function;
  };

  static Control save(Reach& reach, std::uint16_t id, std::uint16_t control) {
    const std::uint16_t found = platform::pci::find_extended(reach, id);
    const auto at = static_cast<std::uint16_t>(found + control);
    return found == 0 ? Control{} : Control{at, reach.config_read(at, 2)};
  }
  void put(const Control& control) {
    if (control.at != 0) {
      function_.config_write(control.at, 2, control.value);
    }
  }
  std::uint16_t allocation_at() const {
    return static_cast<std::uint16_t>(pri_.at - platform::pci::pri_control + platform::pci::pri_allocation);
  }

  pcie::Function& function_;
  Control pasid_{}, pri_{}, ats_{};
  std::uint32_t allocation_{};
};

} // namespace sluice::vfio

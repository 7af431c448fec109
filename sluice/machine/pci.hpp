#pragma once

#include <sluice/pcie/function.hpp>
#include <sluice/platform/pci.hpp>

namespace sluice::machine {

// A function as the driver reaches it.
class PciFunction final : public platform::PciFunction {
public:
  explicit PciFunction(pcie::Function& function, platform::PciFacts facts = {}) : function_{function}, facts_{facts} {}

  platform::PciFacts facts() const override { return facts_; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override {
    return function_.config_read(offset, size);
  }
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    function_.config_write(offset, size, value);
  }

private:
  pcie::Function& function_;
  platform::PciFacts facts_;
};

} // namespace sluice::machine

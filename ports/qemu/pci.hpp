#pragma once

#include <sluice/platform/pci.hpp>

#include <ports/qemu/qtest.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace sluice::ports::qemu {

// A PCI function behind the host bridge, its configuration space reached through ECAM.
class PciFunction final : public platform::PciFunction {
public:
  PciFunction(Qtest& bus, std::uint16_t rid) : bus_{&bus}, rid_{rid} {}

  platform::PciFacts facts() const override { return {}; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override;
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

  // Bus, device and function number; on this machine the StreamID too.
  std::uint16_t rid() const { return rid_; }
  // Vendor ID in the low half, device ID in the high one.
  std::uint32_t id() { return config_read(0, 4); }
  // Where BAR n was put; 0 if the function has none.
  std::uint64_t bar(unsigned n) const { return bars_.at(n); }
  // Lets it answer at its BARs and make DMA.
  void enable();

private:
  friend std::vector<PciFunction> enumerate(Qtest& bus);
  std::uint64_t assign_bars(std::uint64_t next);

  Qtest* bus_;
  std::uint16_t rid_;
  std::array<std::uint64_t, 6> bars_{};
};

// All functions of bus 0, their memory BARs placed in the window below 4 GiB. No I/O space.
std::vector<PciFunction> enumerate(Qtest& bus);

} // namespace sluice::ports::qemu

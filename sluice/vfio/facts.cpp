#include <sluice/vfio/facts.hpp>

#include <sluice/platform/pci_translation.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <bit>

namespace sluice::vfio {

namespace {

// To look at.
class Seen final : public platform::PciFunction {
public:
  explicit Seen(const pcie::Function& function) : function_{function} {}
  platform::PciFacts facts() const override { return {.ats_allowed = true}; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override {
    return function_.config_read(offset, size);
  }
  void config_write(std::uint16_t, unsigned, std::uint32_t) override {}

private:
  const pcie::Function& function_;
};

} // namespace

iommufd::DeviceFacts facts_of(const pcie::Function& function, const iommu::Device& device, iommufd::DeviceFacts known) {
  using namespace uapi::iommufd;
  Seen seen{function};
  const platform::PciTranslation translation{seen};
  if (!translation.has_ats()) {
    known.capabilities |= hw_cap_ats_not_supported;
  }
  // The driver enables all of the capability that the SMMU has PASIDs for.
  if (const std::uint32_t pasids = device.max_pasids(); pasids != 0 && translation.has_pasid()) {
    known.max_pasid_log2 = static_cast<std::uint8_t>(std::bit_width(pasids) - 1);
    known.capabilities |= translation.can_execute() ? std::uint64_t{hw_cap_pasid_execute} : 0;
    known.capabilities |= translation.can_be_privileged() ? std::uint64_t{hw_cap_pasid_privileged} : 0;
  }
  return known;
}

} // namespace sluice::vfio

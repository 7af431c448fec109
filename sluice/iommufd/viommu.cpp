#include <sluice/iommufd/viommu.hpp>

#include <sluice/base/check.hpp>

namespace sluice::iommufd {

using base::Errc;

Viommu::~Viommu() { base::check(viommu_.destroy().ok()); }

base::Result<std::unique_ptr<Vdevice>> Vdevice::make(Viommu& viommu, Device& device, std::uint64_t virtual_id) {
  if (&viommu.parent().domain().unit() != &device.device().unit()) {
    return Errc::invalid_argument;
  }
  if (device.has_vdevice || viommu.virtual_ids.contains(virtual_id)) {
    return Errc::already_exists;
  }
  if (auto status = viommu.viommu().vdevice_add(device.device(), virtual_id); !status) {
    return status.error();
  }
  viommu.virtual_ids.insert(virtual_id);
  device.has_vdevice = true;
  return std::unique_ptr<Vdevice>{new Vdevice{viommu, device, virtual_id}};
}

Vdevice::~Vdevice() {
  static_cast<void>(viommu_->viommu().vdevice_remove(device_.device()));
  viommu_->virtual_ids.erase(virtual_id_);
  device_.has_vdevice = false;
}

} // namespace sluice::iommufd

#include <sluice/iommufd/viommu.hpp>

#include <sluice/base/check.hpp>

namespace sluice::iommufd {

using base::Errc;

Viommu::~Viommu() { base::check(viommu_.destroy().ok()); }

base::Result<std::unique_ptr<Vdevice>> Vdevice::make(Viommu& viommu, Device& device, std::uint64_t virtual_id) {
  if (&viommu.parent().domain().unit() != &device.device().unit()) {
    return Errc::invalid_argument;
  }
  if (device.vdevice != nullptr || viommu.virtual_ids.contains(virtual_id)) {
    return Errc::already_exists;
  }
  auto made = std::unique_ptr<Vdevice>{new Vdevice{viommu, device, virtual_id}};
  viommu.virtual_ids.insert(virtual_id);
  if (auto status = viommu.viommu().vdevice_add(device.device(), virtual_id); !status) {
    viommu.virtual_ids.erase(virtual_id);
    return status.error();
  }
  device.vdevice = made.get();
  return made;
}

Vdevice::~Vdevice() {
  if (device_.vdevice == this) {
    static_cast<void>(viommu_->viommu().vdevice_remove(device_.device()));
    viommu_->virtual_ids.erase(virtual_id_);
    device_.vdevice = nullptr;
  }
}

} // namespace sluice::iommufd

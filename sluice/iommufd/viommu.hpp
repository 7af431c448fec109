#pragma once

#include <sluice/iommu/virtual.hpp>
#include <sluice/iommufd/device.hpp>
#include <sluice/iommufd/hwpt.hpp>
#include <sluice/iommufd/object.hpp>

#include <cstdint>
#include <set>

namespace sluice::iommufd {

class Veventq;

// A guest's part of an IOMMU.
class Viommu final : public Object {
public:
  static constexpr ObjectType object_type = ObjectType::viommu;

  Viommu(HwptPaging& parent, iommu::Viommu& viommu) : Object{object_type}, parent_{parent}, viommu_{viommu} {}
  ~Viommu() override;

  HwptPaging& parent() { return *parent_; }
  iommu::Viommu& viommu() { return viommu_; }

  std::set<std::uint64_t> virtual_ids; // taken by vDEVICEs
  std::set<std::uint32_t> event_types; // a vEVENTQ of that type exists

private:
  Ref<HwptPaging> parent_;
  iommu::Viommu& viommu_;
};

// The name that a guest has for a device. Ends with the device, and then leaves a tombstone.
class Vdevice final : public Object {
public:
  static constexpr ObjectType object_type = ObjectType::vdevice;

  // Errors: already_exists (the device has one, or the name is taken), invalid_argument (another unit's), and the
  // driver's.
  static base::Result<std::unique_ptr<Vdevice>> make(Viommu& viommu, Device& device, std::uint64_t virtual_id);
  ~Vdevice() override;

  Device& device() { return device_; }
  std::uint64_t virtual_id() const { return virtual_id_; }

private:
  Vdevice(Viommu& viommu, Device& device, std::uint64_t virtual_id)
      : Object{object_type}, viommu_{viommu}, device_{device}, virtual_id_{virtual_id} {}

  Ref<Viommu> viommu_;
  Device& device_;
  std::uint64_t virtual_id_;
};

} // namespace sluice::iommufd

#pragma once

#include <sluice/iommu/device.hpp>
#include <sluice/iommu/group.hpp>
#include <sluice/iommufd/hwpt.hpp>

#include <cstdint>
#include <map>

namespace sluice::iommufd {

class Device;

// Requests without a PASID.
inline constexpr std::uint32_t no_pasid = 0;

// Devices that are always on the same tables: those of an iommu::Group, or one that is in none. At each PASID the first
// of them that is attached moves them all, and others can only join it.
class Group {
public:
  explicit Group(iommu::Device& any) : group_{any.group()}, lone_{any} {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  bool has(const iommu::Device& device) const {
    return &lone_ == &device || (group_ != nullptr && device.group() == group_);
  }
  // Null: the device has not been attached there.
  Hwpt* hwpt(const Device& device, std::uint32_t pasid) const;

  // First attach, then replace, for all that have joined; the same one again does nothing. A failure leaves what was.
  // Errors: invalid_argument (another unit's table, or another than the group's, or devices that write their messages
  // elsewhere use it; of PASIDs: the device has none, or not that one, or a table of RID or PASID was not made for
  // them), reserved_range (the IOAS maps what a device reserves), and the driver's.
  base::Status attach(Device& device, std::uint32_t pasid, Hwpt& hwpt);
  // What it was attached to; null: nothing.
  Hwpt* detach(Device& device, std::uint32_t pasid);
  // From one of those that it is attached to.
  Hwpt* detach_any(Device& device);

private:
  struct Attached {
    Hwpt* hwpt{};
    std::map<Device*, Ref<Hwpt>> members;
  };
  using All = std::map<std::uint32_t, Attached>;

  static bool joined(const Attached& attached, const Device& device);
  base::Status check(const Device& device, std::uint32_t pasid, const Hwpt& hwpt) const;
  base::Status first(Device& device, std::uint32_t pasid, Hwpt& hwpt);
  base::Status replace(Attached& attached, std::uint32_t pasid, Hwpt& hwpt);
  base::Status move(std::uint32_t pasid, iommu::Domain& domain, bool replaces);
  Hwpt* leave(All::iterator at, Device& device);

  iommu::Group* group_;
  iommu::Device& lone_; // if there is no group
  All all_;
};

} // namespace sluice::iommufd

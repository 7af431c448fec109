#include <sluice/iommufd/device.hpp>

#include <sluice/iommufd/undo.hpp>
#include <sluice/uapi/iommufd.hpp>

namespace sluice::iommufd {

using base::Status;

Device::Device(iommu::Device& device, Group& group, DeviceFacts facts)
    : Object{object_type}, device_{device}, group_{group}, facts_{std::move(facts)} {
  hold(); // DESTROY of its id is refused
}

std::uint64_t Device::capabilities() const {
  constexpr std::uint64_t dirty = uapi::iommufd::hw_cap_dirty_tracking;
  return facts_.capabilities | (device_.unit().can_track_dirty() ? dirty : 0);
}

Status Device::prepare(Hwpt& hwpt, std::uint32_t pasid, Hwpt* before) {
  hwpt.add_fault_source(device_, id());
  Undo undo{[&] { hwpt.remove_fault_source(device_); }};
  auto status = pasid == no_pasid ? prepare_rid(hwpt, before) : Status{};
  if (status) {
    undo.keep();
  }
  return status;
}

// The reservations belong to the device, on the IOAS of whatever it is attached to.
Status Device::prepare_rid(Hwpt& hwpt, Hwpt* before) {
  const bool same_ioas = before != nullptr && &before->ioas() == &hwpt.ioas();
  if (!same_ioas) {
    if (auto status = hwpt.ioas().reserve(facts_.reserved, this); !status) {
      return status;
    }
  }
  Undo undo{[&] {
    if (!same_ioas) {
      hwpt.ioas().unreserve(this);
    }
  }};
  if (facts_.messages) {
    if (auto status = hwpt.paging().hold_messages(*facts_.messages); !status) {
      return status;
    }
  }
  undo.keep();
  return {};
}

void Device::settle(Hwpt& hwpt, std::uint32_t pasid, Hwpt* after) {
  hwpt.remove_fault_source(device_);
  if (pasid != no_pasid) {
    return;
  }
  if (facts_.messages) {
    hwpt.paging().drop_messages();
  }
  if (after == nullptr || &after->ioas() != &hwpt.ioas()) {
    hwpt.ioas().unreserve(this);
  }
}

} // namespace sluice::iommufd

#pragma once

#include <sluice/iommu/device.hpp>
#include <sluice/iommufd/group.hpp>
#include <sluice/iommufd/ioas.hpp>
#include <sluice/iommufd/object.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::iommufd {

class Vdevice;

// Where devices write their message interrupts.
struct MessageWindow {
  std::uint64_t iova{};
  std::uint64_t address{}; // of the interrupt controller
  std::uint64_t size{};

  friend bool operator==(const MessageWindow&, const MessageWindow&) = default;
};

// What a VFIO driver knows of its device and iommufd does not ask the hardware for.
struct DeviceFacts {
  std::vector<Range> reserved;   // IOVAs that the client may not map: the window for message interrupts, firmware's own
  std::uint8_t max_pasid_log2{}; // GET_HW_INFO
  std::uint64_t capabilities{};  // GET_HW_INFO: uapi::iommufd::HwCapabilities, but for dirty tracking
  std::optional<MessageWindow> messages{}; // present in whatever tables the device is attached to; inside `reserved`
};

// A bound device. Only the one that bound it ends it.
class Device final : public Object {
public:
  static constexpr ObjectType object_type = ObjectType::device;

  Device(iommu::Device& device, Group& group, DeviceFacts facts);

  iommu::Device& device() const { return device_; }
  Group& group() const { return group_; }
  const DeviceFacts& facts() const { return facts_; }
  // uapi::iommufd::HwCapabilities
  std::uint64_t capabilities() const;
  Hwpt* hwpt(std::uint32_t pasid = no_pasid) const { return group_.hwpt(*this, pasid); }

  // For the group, around an attach. What tables have to keep for the device before it is on them, and keep no longer
  // when it is not; `before` and `after` are the tables in whose place they come, and which take theirs. Of PASIDs
  // nothing is reserved and mapped: their requests are no messages. Errors: reserved_range, invalid_argument, and those
  // of mapping.
  base::Status prepare(Hwpt& hwpt, std::uint32_t pasid, Hwpt* before);
  void settle(Hwpt& hwpt, std::uint32_t pasid, Hwpt* after);

  Vdevice* vdevice{}; // the one name that it may have

private:
  base::Status prepare_rid(Hwpt& hwpt, Hwpt* before);

  iommu::Device& device_;
  Group& group_;
  DeviceFacts facts_;
};

} // namespace sluice::iommufd

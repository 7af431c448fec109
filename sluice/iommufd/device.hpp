#pragma once

#include <sluice/iommu/device.hpp>
#include <sluice/iommufd/ioas.hpp>
#include <sluice/iommufd/object.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::iommufd {

class Hwpt;

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
  std::uint64_t capabilities{};  // GET_HW_INFO: uapi::iommufd::HwCapabilities
  std::optional<MessageWindow> messages{}; // present in whatever tables the device is attached to; inside `reserved`
};

// A bound device. Only the one that bound it ends it.
class Device final : public Object {
public:
  static constexpr ObjectType object_type = ObjectType::device;

  Device(iommu::Device& device, DeviceFacts facts);
  ~Device() override;

  iommu::Device& device() { return device_; }
  const DeviceFacts& facts() const { return facts_; }
  Hwpt* hwpt() const { return hwpt_.get(); }

  // First attach, then replace; the same one again does nothing. A failure leaves what was. Errors: invalid_argument
  // (another unit's, or devices that write their messages elsewhere use it), reserved_range (the IOAS maps what the
  // device reserves), and the driver's.
  base::Status attach(Hwpt& hwpt);
  void detach();

  bool has_vdevice{};

private:
  base::Status reserve(Hwpt& hwpt);
  void unreserve(Hwpt& hwpt);
  void drop_messages(Hwpt& hwpt);

  iommu::Device& device_;
  DeviceFacts facts_;
  Ref<Hwpt> hwpt_;
};

} // namespace sluice::iommufd

#pragma once

#include <sluice/vsmmu/calls.hpp>
#include <sluice/vsmmu/guest_ste.hpp>

#include <cstdint>

namespace sluice::vsmmu {

// A VFIO device that is bound to the /dev/iommu, and the StreamID that the guest knows it by.
struct DeviceInfo {
  int descriptor{-1};     // of the device
  std::uint32_t id{};     // BIND_IOMMUFD's
  std::uint32_t stream{}; // the guest's
};

// Where a device's requests go.
enum class Place : std::uint8_t {
  nowhere, // detached: the host blocks them
  abort,   // a nested HWPT that aborts
  memory,  // the parent HWPT: addresses are guest-physical ones
  bypass,  // a nested HWPT that does the same by the guest's STE
  stage1,  // a nested HWPT of the device's own
};

// A device with what the host has made for it.
struct Assigned {
  DeviceInfo info{};
  std::uint32_t vdevice{};
  std::uint32_t nested{}; // 0: none
  SteWords words{};       // of `nested`
  Place place{Place::nowhere};
};

enum class Placed : std::uint8_t {
  done,
  refused, // the host takes no such STE: the device aborts
  failed,  // the host cannot do it now: the device aborts
};

// What a guest has of a host: one vIOMMU, two HWPTs that all devices share, the devices, and a queue of events.
class Host {
public:
  Host(Calls calls, std::uint32_t parent) : calls_{std::move(calls)}, parent_{parent} {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { static_cast<void>(close()); }

  const Calls& calls() const { return calls_; }
  bool is_open() const { return open_; }
  std::uint32_t viommu() const { return viommu_; }
  // -1: the host has no such queues, or nothing is open.
  int event_descriptor() const { return events_.descriptor; }
  int fault_descriptor() const { return faults_.descriptor; }

  // By the first device. Errors: unsupported (no vIOMMU, or one that cannot invalidate), those of close() where
  // something is left of an earlier time, and the host's; then nothing has been made.
  // With `stalls`, faults of the guest's stage 1 can wait.
  base::Status open(std::uint32_t device, std::uint32_t event_depth, bool stalls);
  // Ends what it has; devices have been let go. Errors: busy (somebody has the descriptor of a queue: the queue and
  // what it holds are still there, until it is called again), and the host's.
  base::Status close();

  // Errors: the host's.
  base::Status name(Assigned& device);
  // Without a gap, and at no moment with more than what the device had or is to have. If it cannot be done the device
  // aborts.
  Placed place(Assigned& device, Place place, const SteWords& words = {});
  // A device of another host of the same guest's, to the same place, without a gap. Errors: the host's; then it is
  // where it was, or aborts where it cannot have its name back.
  base::Status take(Assigned& device, Host& from);
  // Leaves the device to its monitor, on the guest's memory.
  void let_go(Assigned& device);

private:
  bool attach(Assigned& device, Place place, std::uint32_t table);
  void block(Assigned& device);
  std::uint32_t table_of(Place place) const;

  Calls calls_;
  std::uint32_t parent_;
  bool open_{};
  std::uint32_t viommu_{};
  std::uint32_t abort_{};
  std::uint32_t bypass_{};
  EventChannel events_{};
  EventChannel faults_{};
};

} // namespace sluice::vsmmu

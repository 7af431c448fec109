#pragma once

#include <sluice/iommufd/device.hpp>
#include <sluice/iommufd/host.hpp>
#include <sluice/iommufd/object.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace sluice::iommufd {

// One call as it went through, for tools that watch.
struct CallRecord {
  std::uint32_t number{};
  std::span<const std::byte> request; // the structure as it came in, as long as it is known
  std::span<const std::byte> answer;  // and as it stands after the call
  std::uint64_t pointer{};            // where the caller has it
  base::Status status{};
};

class Observer {
public:
  virtual void on_call(const CallRecord& record) = 0;

protected:
  ~Observer() = default;
};

struct Call;
using Handler = base::Status (*)(Call&);

// One open /dev/iommu. Calls of several threads wait for each other.
class Context {
public:
  Context(Host host, platform::Sync& sync, Observer* observer = nullptr);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  // All devices are unbound by then.
  ~Context();

  // `argument` is the caller's pointer. 0, or a negative errno.
  int ioctl(std::uint32_t number, std::uint64_t argument);

  // For the driver of a device (VFIO). Errors: ids_exhausted.
  base::Result<Device*> bind(iommu::Device& device, DeviceFacts facts);
  void unbind(Device& device);
  // `id` names an HWPT, or an IOAS for which an HWPT is found or made; its id is the answer. Errors: not_found,
  // invalid_argument (an object of another type), and those of Group::attach.
  base::Result<std::uint32_t> attach(Device& device, std::uint32_t id, std::uint32_t pasid = no_pasid);
  void detach(Device& device, std::uint32_t pasid = no_pasid);

  // Objects that exist; 0 once everything is closed.
  std::size_t objects() const { return objects_.count(); }
  // For tests and tools: whether the IOAS of that id maps an IOVA by itself.
  base::Result<bool> ioas_maps(std::uint32_t id, std::uint64_t iova);
  // The same of the IOAS that a device's tables stand on, which for nested ones is the second stage's. Errors:
  // not_found (not bound here, or not attached).
  base::Result<bool> ioas_maps(const iommu::Device& device, std::uint64_t iova);

private:
  friend struct Call;

  base::Status dispatch(std::uint32_t number, std::uint64_t argument);
  base::Status handle(Call& call, Handler handler);
  base::Result<std::uint32_t> attach_locked(Device& device, std::uint32_t id, std::uint32_t pasid);
  base::Result<std::uint32_t> attach_ioas(Device& device, Ioas& ioas, std::uint32_t pasid);
  Group& group_of(iommu::Device& device);
  void drop_automatic(Hwpt* hwpt);

  Host host_;
  platform::Sync& sync_;
  Observer* observer_;
  platform::Mutex mutex_;
  std::vector<std::unique_ptr<Group>> groups_; // of bound devices
  Objects objects_;
  std::uint32_t vfio_ioas_{};  // VFIO_IOAS: the id of the one that programs of the older interface use; 0: none
  bool accounts_by_process_{}; // OPTION RLIMIT_MODE
};

} // namespace sluice::iommufd

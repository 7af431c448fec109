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

// What lies behind the second or only stage of a table, as hardware would find it. Errors: not_found, and those of
// Ioas::read.
class TableMemory {
public:
  virtual base::Status read(std::uint32_t hwpt, std::uint64_t address, std::span<std::byte> into) = 0;

protected:
  ~TableMemory() = default;
};

// One call as it went through, for tools that watch.
struct CallRecord {
  std::uint32_t number{};
  std::span<const std::byte> request; // the structure as it came in, as long as it is known
  std::span<const std::byte> answer;  // and as it stands after the call
  std::uint64_t pointer{};            // where the caller has it
  base::Status status{};
  TableMemory* memory{}; // while on_call runs
};

class Observer {
public:
  virtual void on_call(const CallRecord& record) = 0;

protected:
  ~Observer() = default;
};

// Where a device's requests go, by the numbers that its client knows. 0: there is none.
struct Placement {
  std::uint32_t device{};
  std::uint32_t hwpt{};
  std::uint32_t viommu{}; // that a nested table was made from
  std::uint32_t vdevice{};
  std::uint64_t virtual_id{};
};

class AccessUser;
struct Call;
using Handler = base::Status (*)(Call&);

// One open /dev/iommu. Calls of several threads wait for each other.
class Context final : private TableMemory {
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

  // For software that takes a device's place (access.hpp): its memory is an IOAS. Not in AccessUser::on_unmap, but for
  // unpin(). Errors of all: no_memory.
  // Errors: ids_exhausted.
  base::Result<Access*> open_access(AccessUser* user, bool pins);
  // Errors: busy (asked to unpin everything, it has not).
  base::Status close_access(Access& access);
  // Errors: invalid_argument (it is), not_found (no such IOAS), reserved_range (areas that are not made of whole
  // pages).
  base::Status attach_access(Access& access, std::uint32_t ioas_id);
  // A failure leaves it where it was. Errors: not_found (it is not attached, or no such IOAS), reserved_range, busy.
  base::Status replace_access(Access& access, std::uint32_t ioas_id);
  // Errors: busy.
  base::Status detach_access(Access& access);
  // Errors: invalid_argument (length 0, one that was not opened for that), overflow, answer_too_long (fewer addresses
  // than pages), not_found (not attached), and those of Ioas::pin.
  base::Status pin(Access& access, std::uint64_t iova, std::uint64_t length, bool write,
                   std::span<std::uint64_t> pages);
  // Errors: not_found (that has not been pinned, or not as one).
  base::Status unpin(Access& access, std::uint64_t iova, std::uint64_t length);
  // Errors: invalid_argument (nothing), overflow, not_found (not attached), and those of Ioas::read and write.
  base::Status read(Access& access, std::uint64_t iova, std::span<std::byte> into);
  base::Status write(Access& access, std::uint64_t iova, std::span<const std::byte> from);

  // Objects that exist; 0 once everything is closed.
  std::size_t objects() const { return objects_.count(); }
  // For tests and tools: whether the IOAS of that id maps an IOVA by itself.
  base::Result<bool> ioas_maps(std::uint32_t id, std::uint64_t iova);
  // The same of the IOAS that a device's tables stand on, which for nested ones is the second stage's. Errors:
  // not_found (not bound here, or not attached).
  base::Result<bool> ioas_maps(const iommu::Device& device, std::uint64_t iova);
  // Errors: not_found (not bound here).
  base::Result<Placement> placement(const iommu::Device& device);

private:
  friend struct Call;

  base::Status read(std::uint32_t hwpt, std::uint64_t address, std::span<std::byte> into) override;
  base::Status dispatch(std::uint32_t number, std::uint64_t argument);
  base::Status handle(Call& call, Handler handler);
  base::Result<std::uint32_t> attach_locked(Device& device, std::uint32_t id, std::uint32_t pasid);
  base::Result<std::uint32_t> attach_ioas(Device& device, Ioas& ioas, std::uint32_t pasid);
  Group& group_of(iommu::Device& device);
  base::Status enter(Access& access, std::uint32_t ioas_id);
  base::Status leave(Access& access);
  base::Status let_go(Access& access);
  // Errors: as Ioas::unmap_unpinned, unresponsive.
  base::Result<std::uint64_t> unmap(Ioas& ioas, Range range);
  void notify(Ioas& ioas, Range range);
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

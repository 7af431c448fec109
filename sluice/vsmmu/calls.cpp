#include <sluice/vsmmu/calls.hpp>

#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/iommufd.hpp>
#include <sluice/uapi/vfio.hpp>

namespace sluice::vsmmu {

namespace i = uapi::iommufd;
namespace u = uapi::arm_smmuv3;
namespace v = uapi::vfio;
using base::Errc;
using base::Result;
using base::Status;
using uapi::Errno;

namespace {

std::uint64_t pointer(const void* to) { return reinterpret_cast<std::uintptr_t>(to); }

Status status_of(int error) { return error == 0 ? Status{} : Calls::errc(error); }

} // namespace

Errc Calls::errc(int error) {
  switch (static_cast<Errno>(error)) {
  case Errno::no_memory:
    return Errc::no_memory;
  case Errno::no_space:
    return Errc::ids_exhausted;
  case Errno::busy:
    return Errc::busy;
  case Errno::exists:
    return Errc::already_exists;
  case Errno::no_entry:
    return Errc::not_found;
  case Errno::invalid:
    return Errc::invalid_argument;
  case Errno::unsupported:
    return Errc::unsupported;
  case Errno::not_a_call:
    return Errc::unknown_call;
  case Errno::fault:
    return Errc::bad_address;
  case Errno::bad_descriptor:
    return Errc::bad_descriptor;
  case Errno::no_permission:
    return Errc::not_permitted;
  case Errno::no_device:
    return Errc::device_failed;
  case Errno::timed_out:
    return Errc::timed_out;
  default:
    return Errc::io_error;
  }
}

// 0 or an errno.
template <class T>
int Calls::call(T& structure) const {
  structure.size = sizeof structure;
  const int result = ioctl_(iommufd_, i::call(T::nr), &structure);
  return result < 0 ? -result : 0;
}

Result<HostFacts> Calls::hw_info(std::uint32_t device) const {
  HostFacts facts;
  i::GetHwInfo c;
  c.dev_id = device;
  c.data_len = sizeof facts.info;
  c.data_uptr = pointer(&facts.info);
  if (const int error = call(c); error != 0) {
    return errc(error);
  }
  if (c.data_type != u::hw_info_type) {
    return Errc::unsupported;
  }
  facts.max_pasid_log2 = c.out_max_pasid_log2;
  facts.capabilities = c.out_capabilities;
  return facts;
}

Result<std::uint32_t> Calls::make_viommu(std::uint32_t device, std::uint32_t parent) const {
  i::ViommuAlloc c;
  c.type = u::viommu_type;
  c.dev_id = device;
  c.hwpt_id = parent;
  const int error = call(c);
  return error == 0 ? Result{c.out_viommu_id} : errc(error);
}

Result<std::uint32_t> Calls::make_vdevice(std::uint32_t viommu, std::uint32_t device, std::uint32_t stream) const {
  i::VdeviceAlloc c;
  c.viommu_id = viommu;
  c.dev_id = device;
  c.virt_id = stream;
  const int error = call(c);
  return error == 0 ? Result{c.out_vdevice_id} : errc(error);
}

Result<EventChannel> Calls::make_fault_queue() const {
  i::FaultQueueAlloc c;
  const int error = call(c);
  return error == 0 ? Result{EventChannel{c.out_fault_id, static_cast<int>(c.out_fault_fd)}} : errc(error);
}

Result<std::uint32_t> Calls::make_nested(std::uint32_t device, std::uint32_t viommu, const SteWords& ste,
                                         std::uint32_t faults) const {
  const u::NestedSte data{{ste[0], ste[1]}};
  i::HwptAlloc c;
  c.flags |= faults != 0 ? std::uint32_t{i::hwpt_fault_id_valid} : 0U;
  c.fault_id = faults;
  c.dev_id = device;
  c.pt_id = viommu;
  c.data_type = u::hwpt_data_type;
  c.data_len = sizeof data;
  c.data_uptr = pointer(&data);
  const int error = call(c);
  return error == 0 ? Result{c.out_hwpt_id} : errc(error);
}

Result<EventChannel> Calls::make_event_queue(std::uint32_t viommu, std::uint32_t depth) const {
  i::VeventqAlloc c;
  c.viommu_id = viommu;
  c.type = u::veventq_type;
  c.veventq_depth = depth;
  const int error = call(c);
  return error == 0 ? Result{EventChannel{c.out_veventq_id, static_cast<int>(c.out_veventq_fd)}} : errc(error);
}

Status Calls::destroy(std::uint32_t id) const {
  i::Destroy c;
  c.id = id;
  return status_of(call(c));
}

Status Calls::attach(int device, std::uint32_t table) const {
  v::AttachIommufdPt c;
  c.argsz = v::AttachIommufdPt::min_size;
  c.pt_id = table;
  const int result = ioctl_(device, v::device_attach_iommufd_pt, &c);
  return status_of(result < 0 ? -result : 0);
}

Status Calls::detach(int device) const {
  v::DetachIommufdPt c;
  c.argsz = v::DetachIommufdPt::min_size;
  const int result = ioctl_(device, v::device_detach_iommufd_pt, &c);
  return status_of(result < 0 ? -result : 0);
}

int Calls::invalidate(std::uint32_t viommu, std::span<const arch::Command> commands, std::uint32_t& done) const {
  static_assert(sizeof(arch::Command) == sizeof(u::Invalidation));
  i::HwptInvalidate c;
  c.hwpt_id = viommu;
  c.data_uptr = pointer(commands.data());
  c.data_type = u::invalidate_data_type;
  c.entry_len = sizeof(u::Invalidation);
  c.entry_num = static_cast<std::uint32_t>(commands.size());
  const int error = call(c);
  done = c.entry_num;
  return error;
}

} // namespace sluice::vsmmu

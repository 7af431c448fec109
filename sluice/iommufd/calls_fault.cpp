#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/fault_queue.hpp>
#include <sluice/uapi/iommufd.hpp>

namespace sluice::iommufd::calls {

namespace u = uapi::iommufd;

base::Status fault_queue_alloc(Call& call) {
  auto& cmd = call.as<u::FaultQueueAlloc>();
  if (cmd.flags != 0) {
    return base::Errc::unsupported;
  }
  auto made = FaultQueue::make(call.host(), call.sync());
  if (!made) {
    return made.error();
  }
  auto added = call.objects().add(std::move(*made));
  if (!added) {
    return added.error();
  }
  cmd.out_fault_id = (*added)->id();
  cmd.out_fault_fd = static_cast<std::uint32_t>((*added)->descriptor());
  auto status = call.respond();
  if (!status) {
    call.objects().remove(**added);
    return status;
  }
  (*added)->give_descriptor();
  return {};
}

} // namespace sluice::iommufd::calls

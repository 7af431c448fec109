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
  return made ? call.hand_over(std::move(*made), cmd.out_fault_id, cmd.out_fault_fd) : made.error();
}

} // namespace sluice::iommufd::calls

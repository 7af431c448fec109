#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/hwpt.hpp>
#include <sluice/iommufd/viommu.hpp>
#include <sluice/uapi/iommufd.hpp>

// Calls for what no IOMMU here has: their arguments are checked as where there is one.
namespace sluice::iommufd::calls {

using base::Errc;
using base::Status;
namespace u = uapi::iommufd;

Status hw_queue_alloc(Call& call) {
  const auto& cmd = call.as<u::HwQueueAlloc>();
  constexpr std::uint32_t no_type = 0;
  if (cmd.flags != 0 || cmd.type == no_type) {
    return Errc::unsupported;
  }
  if (cmd.length == 0) {
    return Errc::invalid_argument;
  }
  std::uint64_t last{};
  if (__builtin_add_overflow(cmd.nesting_parent_iova, cmd.length - 1, &last)) {
    return Errc::overflow;
  }
  auto viommu = call.objects().get<Viommu>(cmd.viommu_id);
  return viommu ? Errc::unsupported : viommu.error();
}

// For devices without an IOMMU.
Status ioas_noiommu_get_pa(Call&) { return Errc::unsupported; }

} // namespace sluice::iommufd::calls

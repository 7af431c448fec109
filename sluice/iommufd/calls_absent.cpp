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

// Nobody would answer a fault that waits.
Status fault_queue_alloc(Call&) { return Errc::unsupported; }

Status hwpt_set_dirty_tracking(Call& call) {
  const auto& cmd = call.as<u::HwptSetDirtyTracking>();
  if ((cmd.flags & ~std::uint32_t{u::dirty_tracking_enable}) != 0 || cmd.reserved != 0) {
    return Errc::unsupported;
  }
  auto hwpt = call.objects().get<HwptPaging>(cmd.hwpt_id);
  return hwpt ? Errc::unsupported : hwpt.error();
}

Status hwpt_get_dirty_bitmap(Call& call) {
  const auto& cmd = call.as<u::HwptGetDirtyBitmap>();
  if ((cmd.flags & ~std::uint32_t{u::dirty_bitmap_no_clear}) != 0 || cmd.reserved != 0) {
    return Errc::unsupported;
  }
  auto hwpt = call.objects().get<HwptPaging>(cmd.hwpt_id);
  if (!hwpt) {
    return hwpt.error();
  }
  std::uint64_t last{}; // of a length of 0, only that of everything from 0 does not wrap
  if (__builtin_add_overflow(cmd.iova, cmd.length - 1, &last)) {
    return Errc::overflow;
  }
  const auto whole = [&](std::uint64_t unit) { return ((cmd.iova | (last + 1)) & (unit - 1)) == 0; };
  if (!whole((*hwpt)->ioas().alignment()) || cmd.page_size == 0 || !whole(cmd.page_size)) {
    return Errc::invalid_argument;
  }
  return Errc::unsupported;
}

// For devices without an IOMMU.
Status ioas_noiommu_get_pa(Call&) { return Errc::unsupported; }

} // namespace sluice::iommufd::calls

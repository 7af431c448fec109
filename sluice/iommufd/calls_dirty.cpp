#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/hwpt.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <bit>

// Which memory devices have written to.
namespace sluice::iommufd::calls {

using base::Errc;
using base::Status;
namespace u = uapi::iommufd;

Status hwpt_set_dirty_tracking(Call& call) {
  const auto& cmd = call.as<u::HwptSetDirtyTracking>();
  if ((cmd.flags & ~std::uint32_t{u::dirty_tracking_enable}) != 0 || cmd.reserved != 0) {
    return Errc::unsupported;
  }
  auto hwpt = call.objects().get<HwptPaging>(cmd.hwpt_id);
  return hwpt ? (*hwpt)->set_dirty_tracking((cmd.flags & u::dirty_tracking_enable) != 0) : Status{hwpt.error()};
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
  // Of a size that is no power of two the lowest bit counts.
  return (*hwpt)->read_dirty(call.host().caller, {.iova = cmd.iova,
                                                  .last = last,
                                                  .shift = static_cast<unsigned>(std::countr_zero(cmd.page_size)),
                                                  .bitmap = cmd.data,
                                                  .clear = (cmd.flags & u::dirty_bitmap_no_clear) == 0});
}

} // namespace sluice::iommufd::calls

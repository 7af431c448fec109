#include <sluice/iommufd/call.hpp>

#include <sluice/uapi/iommufd.hpp>

#include <algorithm>

namespace sluice::iommufd {

namespace u = uapi::iommufd;

namespace {

template <class T>
constexpr CallEntry entry(Handler handler) {
  static_assert(sizeof(T) <= Call::largest);
  return {u::call(T::nr), sizeof(T), T::min_size, handler};
}

constexpr std::array entries{
    entry<u::Destroy>(calls::destroy),
    entry<u::IoasAlloc>(calls::ioas_alloc),
    entry<u::IoasAllowIovas>(calls::ioas_allow_iovas),
    entry<u::IoasCopy>(calls::ioas_copy),
    entry<u::IoasIovaRanges>(calls::ioas_iova_ranges),
    entry<u::IoasMap>(calls::ioas_map),
    entry<u::IoasMapFile>(calls::ioas_map_file),
    entry<u::IoasUnmap>(calls::ioas_unmap),
    entry<u::Option>(calls::option),
    entry<u::VfioIoas>(calls::vfio_ioas),
    entry<u::HwptAlloc>(calls::hwpt_alloc),
    entry<u::GetHwInfo>(calls::get_hw_info),
    entry<u::HwptSetDirtyTracking>(calls::hwpt_set_dirty_tracking),
    entry<u::HwptGetDirtyBitmap>(calls::hwpt_get_dirty_bitmap),
    entry<u::FaultQueueAlloc>(calls::fault_queue_alloc),
    entry<u::HwptInvalidate>(calls::hwpt_invalidate),
    entry<u::ViommuAlloc>(calls::viommu_alloc),
    entry<u::VdeviceAlloc>(calls::vdevice_alloc),
    entry<u::IoasChangeProcess>(calls::ioas_change_process),
    entry<u::VeventqAlloc>(calls::veventq_alloc),
    entry<u::HwQueueAlloc>(calls::hw_queue_alloc),
    entry<u::IoasNoiommuGetPa>(calls::ioas_noiommu_get_pa),
};

} // namespace

const CallEntry* find_call(std::uint32_t number) {
  const auto it = std::find_if(entries.begin(), entries.end(), [&](const CallEntry& e) { return e.number == number; });
  return it != entries.end() ? &*it : nullptr;
}

base::Status calls::destroy(Call& call) {
  const std::uint32_t id = call.as<u::Destroy>().id;
  auto status = call.objects().destroy(id);
  if (status && call.vfio_ioas() == id) {
    call.vfio_ioas() = 0;
  }
  return status;
}

} // namespace sluice::iommufd

#include <sluice/advise/fields.hpp>

#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::advise {

namespace {

namespace u = uapi::iommufd;
using Way = Field::Way;

const std::array destroy{field("id", &u::Destroy::id)};
const std::array ioas_alloc{field("flags", &u::IoasAlloc::flags),
                            field("ioas_id", &u::IoasAlloc::out_ioas_id, Way::out)};
const std::array allow_iovas{field("ioas_id", &u::IoasAllowIovas::ioas_id),
                             field("num_iovas", &u::IoasAllowIovas::num_iovas)};
const Beyond allow_iovas_data{offset_of(&u::IoasAllowIovas::allowed_iovas), offset_of(&u::IoasAllowIovas::num_iovas),
                              sizeof(u::IovaRange), 0, false};
const std::array ioas_copy{field("flags", &u::IoasCopy::flags),
                           field("dst_ioas_id", &u::IoasCopy::dst_ioas_id),
                           field("src_ioas_id", &u::IoasCopy::src_ioas_id),
                           field("length", &u::IoasCopy::length),
                           field("src_iova", &u::IoasCopy::src_iova),
                           field("dst_iova", &u::IoasCopy::dst_iova, Way::both)};
const std::array iova_ranges{field("ioas_id", &u::IoasIovaRanges::ioas_id),
                             field("num_iovas", &u::IoasIovaRanges::num_iovas, Way::both),
                             field("iova_alignment", &u::IoasIovaRanges::out_iova_alignment, Way::out)};
const Beyond iova_ranges_data{offset_of(&u::IoasIovaRanges::allowed_iovas), offset_of(&u::IoasIovaRanges::num_iovas),
                              sizeof(u::IovaRange), 0, true};
const std::array ioas_map{field("flags", &u::IoasMap::flags), field("ioas_id", &u::IoasMap::ioas_id),
                          field("user_va", &u::IoasMap::user_va), field("length", &u::IoasMap::length),
                          field("iova", &u::IoasMap::iova, Way::both)};
const std::array ioas_unmap{field("ioas_id", &u::IoasUnmap::ioas_id), field("iova", &u::IoasUnmap::iova),
                            field("length", &u::IoasUnmap::length, Way::both)};
const std::array option{field("option_id", &u::Option::option_id), field("op", &u::Option::op),
                        field("object_id", &u::Option::object_id), field("val64", &u::Option::val64, Way::both)};
const std::array vfio_ioas{field("op", &u::VfioIoas::op), field("ioas_id", &u::VfioIoas::ioas_id, Way::both)};
const std::array hwpt_alloc{field("flags", &u::HwptAlloc::flags),
                            field("dev_id", &u::HwptAlloc::dev_id),
                            field("pt_id", &u::HwptAlloc::pt_id),
                            field("data_type", &u::HwptAlloc::data_type),
                            field("data_len", &u::HwptAlloc::data_len),
                            field("fault_id", &u::HwptAlloc::fault_id),
                            field("hwpt_id", &u::HwptAlloc::out_hwpt_id, Way::out)};
const Beyond hwpt_alloc_data{offset_of(&u::HwptAlloc::data_uptr), offset_of(&u::HwptAlloc::data_len), 1, 0, false};
const std::array get_hw_info{field("flags", &u::GetHwInfo::flags),
                             field("dev_id", &u::GetHwInfo::dev_id),
                             field("data_len", &u::GetHwInfo::data_len, Way::both),
                             field("data_type", &u::GetHwInfo::data_type, Way::both),
                             field("max_pasid_log2", &u::GetHwInfo::out_max_pasid_log2, Way::out),
                             field("capabilities", &u::GetHwInfo::out_capabilities, Way::out)};
const Beyond get_hw_info_data{offset_of(&u::GetHwInfo::data_uptr), offset_of(&u::GetHwInfo::data_len), 1, 0, true};
const std::array set_dirty_tracking{field("flags", &u::HwptSetDirtyTracking::flags),
                                    field("hwpt_id", &u::HwptSetDirtyTracking::hwpt_id)};
const std::array get_dirty_bitmap{
    field("hwpt_id", &u::HwptGetDirtyBitmap::hwpt_id), field("flags", &u::HwptGetDirtyBitmap::flags),
    field("iova", &u::HwptGetDirtyBitmap::iova), field("length", &u::HwptGetDirtyBitmap::length),
    field("page_size", &u::HwptGetDirtyBitmap::page_size)};
const std::array hwpt_invalidate{
    field("hwpt_id", &u::HwptInvalidate::hwpt_id), field("data_type", &u::HwptInvalidate::data_type),
    field("entry_len", &u::HwptInvalidate::entry_len), field("entry_num", &u::HwptInvalidate::entry_num, Way::both)};
const Beyond hwpt_invalidate_data{offset_of(&u::HwptInvalidate::data_uptr), offset_of(&u::HwptInvalidate::entry_num), 0,
                                  offset_of(&u::HwptInvalidate::entry_len), false};
const std::array fault_queue_alloc{field("flags", &u::FaultQueueAlloc::flags),
                                   field("fault_id", &u::FaultQueueAlloc::out_fault_id, Way::out),
                                   field("fault_fd", &u::FaultQueueAlloc::out_fault_fd, Way::out)};
const std::array ioas_map_file{
    field("flags", &u::IoasMapFile::flags),   field("ioas_id", &u::IoasMapFile::ioas_id),
    field("fd", &u::IoasMapFile::fd),         field("start", &u::IoasMapFile::start),
    field("length", &u::IoasMapFile::length), field("iova", &u::IoasMapFile::iova, Way::both)};
const std::array viommu_alloc{field("flags", &u::ViommuAlloc::flags), field("type", &u::ViommuAlloc::type),
                              field("dev_id", &u::ViommuAlloc::dev_id), field("hwpt_id", &u::ViommuAlloc::hwpt_id),
                              field("viommu_id", &u::ViommuAlloc::out_viommu_id, Way::out)};
const std::array vdevice_alloc{field("viommu_id", &u::VdeviceAlloc::viommu_id),
                               field("dev_id", &u::VdeviceAlloc::dev_id), field("virt_id", &u::VdeviceAlloc::virt_id),
                               field("vdevice_id", &u::VdeviceAlloc::out_vdevice_id, Way::out)};
const std::array<Field, 0> change_process{};
const std::array veventq_alloc{field("flags", &u::VeventqAlloc::flags),
                               field("viommu_id", &u::VeventqAlloc::viommu_id),
                               field("type", &u::VeventqAlloc::type),
                               field("veventq_depth", &u::VeventqAlloc::veventq_depth),
                               field("veventq_id", &u::VeventqAlloc::out_veventq_id, Way::out),
                               field("veventq_fd", &u::VeventqAlloc::out_veventq_fd, Way::out)};
const std::array hw_queue_alloc{field("viommu_id", &u::HwQueueAlloc::viommu_id),
                                field("type", &u::HwQueueAlloc::type),
                                field("index", &u::HwQueueAlloc::index),
                                field("nesting_parent_iova", &u::HwQueueAlloc::nesting_parent_iova),
                                field("length", &u::HwQueueAlloc::length),
                                field("hw_queue_id", &u::HwQueueAlloc::out_hw_queue_id, Way::out)};

const std::array table{
    CallName{u::call(u::Destroy::nr), "DESTROY", destroy},
    CallName{u::call(u::IoasAlloc::nr), "IOAS_ALLOC", ioas_alloc},
    CallName{u::call(u::IoasAllowIovas::nr), "IOAS_ALLOW_IOVAS", allow_iovas, &allow_iovas_data},
    CallName{u::call(u::IoasCopy::nr), "IOAS_COPY", ioas_copy},
    CallName{u::call(u::IoasIovaRanges::nr), "IOAS_IOVA_RANGES", iova_ranges, &iova_ranges_data},
    CallName{u::call(u::IoasMap::nr), "IOAS_MAP", ioas_map},
    CallName{u::call(u::IoasUnmap::nr), "IOAS_UNMAP", ioas_unmap},
    CallName{u::call(u::Option::nr), "OPTION", option},
    CallName{u::call(u::VfioIoas::nr), "VFIO_IOAS", vfio_ioas},
    CallName{u::call(u::HwptAlloc::nr), "HWPT_ALLOC", hwpt_alloc, &hwpt_alloc_data},
    CallName{u::call(u::GetHwInfo::nr), "GET_HW_INFO", get_hw_info, &get_hw_info_data},
    CallName{u::call(u::HwptSetDirtyTracking::nr), "HWPT_SET_DIRTY_TRACKING", set_dirty_tracking},
    CallName{u::call(u::HwptGetDirtyBitmap::nr), "HWPT_GET_DIRTY_BITMAP", get_dirty_bitmap},
    CallName{u::call(u::HwptInvalidate::nr), "HWPT_INVALIDATE", hwpt_invalidate, &hwpt_invalidate_data},
    CallName{u::call(u::FaultQueueAlloc::nr), "FAULT_QUEUE_ALLOC", fault_queue_alloc},
    CallName{u::call(u::IoasMapFile::nr), "IOAS_MAP_FILE", ioas_map_file},
    CallName{u::call(u::ViommuAlloc::nr), "VIOMMU_ALLOC", viommu_alloc},
    CallName{u::call(u::VdeviceAlloc::nr), "VDEVICE_ALLOC", vdevice_alloc},
    CallName{u::call(u::IoasChangeProcess::nr), "IOAS_CHANGE_PROCESS", change_process},
    CallName{u::call(u::VeventqAlloc::nr), "VEVENTQ_ALLOC", veventq_alloc},
    CallName{u::call(u::HwQueueAlloc::nr), "HW_QUEUE_ALLOC", hw_queue_alloc},
};

} // namespace

const CallName* find_call(std::uint32_t number) {
  const auto found = std::find_if(table.begin(), table.end(), [=](const CallName& c) { return c.number == number; });
  return found != table.end() ? &*found : nullptr;
}

std::uint64_t value(std::span<const std::byte> structure, const Field& field) {
  std::uint64_t result = 0;
  if (field.offset + field.size <= structure.size()) {
    std::memcpy(&result, structure.data() + field.offset, field.size);
  }
  return result;
}

} // namespace sluice::advise

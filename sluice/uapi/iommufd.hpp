#pragma once

#include <sluice/uapi/iommufd_queues.hpp>

#include <cstddef>
#include <cstdint>

// /dev/iommu as Linux 7.3 shows it: call numbers, structures, flags. `size` in a structure is the caller's; `min_size`
// is what the first kernel with the call knew. Pointers of the caller travel as 64-bit integers.
namespace sluice::uapi::iommufd {

inline constexpr std::uint32_t call_type = ';'; // _IO(';', nr): no size and no direction in the number
inline constexpr std::uint32_t call_base = 0x80;

constexpr std::uint32_t call(std::uint32_t nr) { return call_type << 8 | nr; }

struct Destroy {
  static constexpr std::uint32_t nr = 0x80;
  std::uint32_t size{};
  std::uint32_t id{};
  static constexpr std::size_t min_size = 8;
};

struct IoasAlloc {
  static constexpr std::uint32_t nr = 0x81;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t out_ioas_id{};
  static constexpr std::size_t min_size = 12;
};

struct IovaRange {
  std::uint64_t start{};
  std::uint64_t last{};
};

struct IoasAllowIovas {
  static constexpr std::uint32_t nr = 0x82;
  std::uint32_t size{};
  std::uint32_t ioas_id{};
  std::uint32_t num_iovas{};
  std::uint32_t reserved{};
  std::uint64_t allowed_iovas{};
  static constexpr std::size_t min_size = 24;
};

enum MapFlags : std::uint32_t { map_fixed_iova = 1, map_writeable = 2, map_readable = 4 };

struct IoasCopy {
  static constexpr std::uint32_t nr = 0x83;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t dst_ioas_id{};
  std::uint32_t src_ioas_id{};
  std::uint64_t length{};
  std::uint64_t dst_iova{};
  std::uint64_t src_iova{};
  static constexpr std::size_t min_size = 40;
};

struct IoasIovaRanges {
  static constexpr std::uint32_t nr = 0x84;
  std::uint32_t size{};
  std::uint32_t ioas_id{};
  std::uint32_t num_iovas{};
  std::uint32_t reserved{};
  std::uint64_t allowed_iovas{};
  std::uint64_t out_iova_alignment{};
  static constexpr std::size_t min_size = 32;
};

struct IoasMap {
  static constexpr std::uint32_t nr = 0x85;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t ioas_id{};
  std::uint32_t reserved{};
  std::uint64_t user_va{};
  std::uint64_t length{};
  std::uint64_t iova{};
  static constexpr std::size_t min_size = 40;
};

struct IoasUnmap {
  static constexpr std::uint32_t nr = 0x86;
  std::uint32_t size{};
  std::uint32_t ioas_id{};
  std::uint64_t iova{};
  std::uint64_t length{};
  static constexpr std::size_t min_size = 24;
};

enum OptionId : std::uint32_t { option_rlimit_mode = 0, option_huge_pages = 1 };
enum OptionOp : std::uint16_t { option_set = 0, option_get = 1 };

struct Option {
  static constexpr std::uint32_t nr = 0x87;
  std::uint32_t size{};
  std::uint32_t option_id{};
  std::uint16_t op{};
  std::uint16_t reserved{};
  std::uint32_t object_id{};
  std::uint64_t val64{};
  static constexpr std::size_t min_size = 24;
};

enum VfioIoasOp : std::uint16_t { vfio_ioas_get = 0, vfio_ioas_set = 1, vfio_ioas_clear = 2 };

struct VfioIoas {
  static constexpr std::uint32_t nr = 0x88;
  std::uint32_t size{};
  std::uint32_t ioas_id{};
  std::uint16_t op{};
  std::uint16_t reserved{};
  static constexpr std::size_t min_size = 12;
};

enum HwptFlags : std::uint32_t {
  hwpt_nest_parent = 1,
  hwpt_dirty_tracking = 2,
  hwpt_fault_id_valid = 4,
  hwpt_pasid = 8,
};

enum class HwptData : std::uint32_t { none = 0, vtd_s1 = 1, arm_smmuv3 = 2 };

struct HwptAlloc {
  static constexpr std::uint32_t nr = 0x89;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t dev_id{};
  std::uint32_t pt_id{};
  std::uint32_t out_hwpt_id{};
  std::uint32_t reserved{};
  std::uint32_t data_type{};
  std::uint32_t data_len{};
  std::uint64_t data_uptr{};
  std::uint32_t fault_id{};
  std::uint32_t reserved2{};
  static constexpr std::size_t min_size = 24;
};

enum class HwInfoType : std::uint32_t { none = 0, intel_vtd = 1, arm_smmuv3 = 2, tegra241_cmdqv = 3 };

enum HwInfoFlags : std::uint32_t { hw_info_input_type = 1 };

enum HwCapabilities : std::uint64_t {
  hw_cap_dirty_tracking = 1,
  hw_cap_pasid_execute = 2,
  hw_cap_pasid_privileged = 4,
  hw_cap_ats_not_supported = 8,
};

struct GetHwInfo {
  static constexpr std::uint32_t nr = 0x8a;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t dev_id{};
  std::uint32_t data_len{};
  std::uint64_t data_uptr{};
  std::uint32_t data_type{}; // in with hw_info_input_type, out always
  std::uint8_t out_max_pasid_log2{};
  std::uint8_t reserved[3]{};
  std::uint64_t out_capabilities{};
  static constexpr std::size_t min_size = 32;
};

enum DirtyTrackingFlags : std::uint32_t { dirty_tracking_enable = 1 };

struct HwptSetDirtyTracking {
  static constexpr std::uint32_t nr = 0x8b;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t hwpt_id{};
  std::uint32_t reserved{};
  static constexpr std::size_t min_size = 16;
};

enum DirtyBitmapFlags : std::uint32_t { dirty_bitmap_no_clear = 1 };

struct HwptGetDirtyBitmap {
  static constexpr std::uint32_t nr = 0x8c;
  std::uint32_t size{};
  std::uint32_t hwpt_id{};
  std::uint32_t flags{};
  std::uint32_t reserved{};
  std::uint64_t iova{};
  std::uint64_t length{};
  std::uint64_t page_size{};
  std::uint64_t data{};
  static constexpr std::size_t min_size = 48;
};

enum class InvalidateData : std::uint32_t { vtd_s1 = 0, arm_smmuv3 = 1 };

struct HwptInvalidate {
  static constexpr std::uint32_t nr = 0x8d;
  std::uint32_t size{};
  std::uint32_t hwpt_id{}; // a nested HWPT or a vIOMMU
  std::uint64_t data_uptr{};
  std::uint32_t data_type{};
  std::uint32_t entry_len{};
  std::uint32_t entry_num{}; // in: entries; out: entries handled
  std::uint32_t reserved{};
  static constexpr std::size_t min_size = 32;
};

struct FaultQueueAlloc {
  static constexpr std::uint32_t nr = 0x8e;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t out_fault_id{};
  std::uint32_t out_fault_fd{};
  static constexpr std::size_t min_size = 16;
};

struct IoasMapFile {
  static constexpr std::uint32_t nr = 0x8f;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t ioas_id{};
  std::int32_t fd{};
  std::uint64_t start{};
  std::uint64_t length{};
  std::uint64_t iova{};
  static constexpr std::size_t min_size = 40;
};

enum class ViommuType : std::uint32_t { none = 0, arm_smmuv3 = 1, tegra241_cmdqv = 2 };

struct ViommuAlloc {
  static constexpr std::uint32_t nr = 0x90;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t type{};
  std::uint32_t dev_id{};
  std::uint32_t hwpt_id{};
  std::uint32_t out_viommu_id{};
  std::uint32_t data_len{};
  std::uint32_t reserved{};
  std::uint64_t data_uptr{};
  static constexpr std::size_t min_size = 24;
};

struct VdeviceAlloc {
  static constexpr std::uint32_t nr = 0x91;
  std::uint32_t size{};
  std::uint32_t viommu_id{};
  std::uint32_t dev_id{};
  std::uint32_t out_vdevice_id{};
  std::uint64_t virt_id{};
  static constexpr std::size_t min_size = 24;
};

struct IoasChangeProcess {
  static constexpr std::uint32_t nr = 0x92;
  std::uint32_t size{};
  std::uint32_t reserved{};
  static constexpr std::size_t min_size = 8;
};

enum class VeventqType : std::uint32_t { none = 0, arm_smmuv3 = 1, tegra241_cmdqv = 2 };

struct VeventqAlloc {
  static constexpr std::uint32_t nr = 0x93;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t viommu_id{};
  std::uint32_t type{};
  std::uint32_t veventq_depth{};
  std::uint32_t out_veventq_id{};
  std::uint32_t out_veventq_fd{};
  std::uint32_t reserved{};
  static constexpr std::size_t min_size = 28;
};

struct HwQueueAlloc {
  static constexpr std::uint32_t nr = 0x94;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t viommu_id{};
  std::uint32_t type{};
  std::uint32_t index{};
  std::uint32_t out_hw_queue_id{};
  std::uint64_t nesting_parent_iova{};
  std::uint64_t length{};
  static constexpr std::size_t min_size = 40;
};

struct IoasNoiommuGetPa {
  static constexpr std::uint32_t nr = 0x95;
  std::uint32_t size{};
  std::uint32_t flags{};
  std::uint32_t ioas_id{};
  std::uint32_t reserved{};
  std::uint64_t iova{};
  std::uint64_t length{};
  std::uint64_t out_phys{};
  static constexpr std::size_t min_size = 40;
};

inline constexpr std::uint32_t max_veventq_depth = 1U << 19;
inline constexpr std::uint32_t max_invalidate_entries = 1U << 19;

static_assert(sizeof(Destroy) == 8 && sizeof(IoasAlloc) == 12 && sizeof(IoasAllowIovas) == 24 &&
              sizeof(IoasCopy) == 40);
static_assert(sizeof(IoasIovaRanges) == 32 && sizeof(IoasMap) == 40 && sizeof(IoasUnmap) == 24 && sizeof(Option) == 24);
static_assert(sizeof(VfioIoas) == 12 && sizeof(HwptAlloc) == 48 && sizeof(GetHwInfo) == 40);
static_assert(sizeof(HwptSetDirtyTracking) == 16 && sizeof(HwptGetDirtyBitmap) == 48 && sizeof(HwptInvalidate) == 32);
static_assert(sizeof(FaultQueueAlloc) == 16 && sizeof(IoasMapFile) == 40 && sizeof(ViommuAlloc) == 40);
static_assert(sizeof(VdeviceAlloc) == 24 && sizeof(IoasChangeProcess) == 8 && sizeof(VeventqAlloc) == 32);
static_assert(sizeof(HwQueueAlloc) == 40 && sizeof(IoasNoiommuGetPa) == 40);

} // namespace sluice::uapi::iommufd

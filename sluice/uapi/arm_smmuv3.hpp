#pragma once

#include <cstdint>

// The data that iommufd carries for an Arm SMMUv3 without looking into it. Words are little-endian.
namespace sluice::uapi::arm_smmuv3 {

// The numbers by which calls name these data, and what has them.
inline constexpr std::uint32_t hw_info_type = 2;
inline constexpr std::uint32_t hwpt_data_type = 2;
inline constexpr std::uint32_t viommu_type = 1;
inline constexpr std::uint32_t invalidate_data_type = 1;
inline constexpr std::uint32_t veventq_type = 1;

// GET_HW_INFO: the raw ID registers.
struct HwInfo {
  std::uint32_t flags{};
  std::uint32_t reserved{};
  std::uint32_t idr[6]{};
  std::uint32_t iidr{};
  std::uint32_t aidr{};
};

// HWPT_ALLOC on a vIOMMU: words 0 and 1 of the guest's STE.
struct NestedSte {
  std::uint64_t ste[2]{};
};

// HWPT_INVALIDATE on a vIOMMU: one command of the guest.
struct Invalidation {
  std::uint64_t cmd[2]{};
};

// A vEVENTQ's data: one event record, its StreamID the guest's.
struct Vevent {
  std::uint64_t evt[4]{};
};

static_assert(sizeof(HwInfo) == 40 && sizeof(NestedSte) == 16 && sizeof(Invalidation) == 16 && sizeof(Vevent) == 32);

} // namespace sluice::uapi::arm_smmuv3

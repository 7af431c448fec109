#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

#include <span>
#include <string_view>

// GET_HW_INFO hands over the ID registers of the hardware as they are. linux/iommufd.h lists the fields of them that a
// program may go by; the rest says nothing of what the kernel does for a guest.
namespace sluice::advise {

inline constexpr std::string_view listed_fields =
    "IDR0 ST_LEVEL, TERM_MODEL, STALL_MODEL, TTENDIAN, CD2L, ASID16, TTF; IDR1 SIDSIZE, SSIDSIZE; IDR3 BBML, RIL; "
    "IDR5 VAX, GRAN64K, GRAN16K, GRAN4K";

// A field that is not in the list, and what of a guest's CD a guest without it does not set. 5.4
struct Unlisted {
  std::string_view field{}; // "IDR0.HTTU"
  std::string_view use{};   // "HA, HD or HAFT"
  bool (*there)(const uapi::arm_smmuv3::HwInfo&){};
  bool (*used)(const arch::Cd&){};
};

std::span<const Unlisted> unlisted_fields();

} // namespace sluice::advise

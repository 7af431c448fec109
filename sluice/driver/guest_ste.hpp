#pragma once

#include <sluice/arch/ste.hpp>
#include <sluice/base/result.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

#include <array>
#include <cstdint>

// The part of an STE that is a guest's to write. Pure.
namespace sluice::driver {

struct GuestSte {
  arch::SteConfig config{arch::SteConfig::abort}; // abort, bypass or stage1
  std::array<std::uint64_t, 2> stage1{};          // its fields in words 0 and 1, in place
  bool wants_ats{};                               // EATS, for when ATS is switched on
};

// Errors: reserved_bits (a bit or a value that is not the guest's to choose).
base::Result<GuestSte> guest_ste(const uapi::arm_smmuv3::NestedSte& words);

// What the hardware gets: `stage2` is the STE of the domain that the guest's addresses are translated by.
arch::Ste merged_ste(const GuestSte& guest, const arch::Ste& stage2);

} // namespace sluice::driver

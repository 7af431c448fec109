#include <sluice/advise/unlisted.hpp>

#include <sluice/arch/registers.hpp>

#include <array>

namespace sluice::advise {

namespace {

using arch::Cd;
using arch::IDR0;
using arch::IDR3;
using uapi::arm_smmuv3::HwInfo;

template <auto field>
bool in_idr3(const HwInfo& info) {
  return IDR3::from(info.idr[3]).get(field) != 0;
}

template <auto... fields>
bool any(const Cd& cd) {
  return ((cd.get(fields) != 0) || ...);
}

constexpr std::array unlisted{
    Unlisted{"IDR0.HTTU", "HA, HD or HAFT",
             [](const HwInfo& info) { return IDR0::from(info.idr[0]).get(IDR0::HTTU) != arch::Httu{}; },
             any<Cd::HA, Cd::HD, Cd::HAFT>},
    Unlisted{"IDR3.HAD", "HAD0 or HAD1", in_idr3<IDR3::HAD>, any<Cd::HAD0, Cd::HAD1>},
    Unlisted{"IDR3.PBHA", "HWU", in_idr3<IDR3::PBHA>,
             any<Cd::HWU059, Cd::HWU060, Cd::HWU061, Cd::HWU062, Cd::HWU159, Cd::HWU160, Cd::HWU161, Cd::HWU162>},
    Unlisted{"IDR3.E0PD", "E0PD0 or E0PD1", in_idr3<IDR3::E0PD>, any<Cd::E0PD0, Cd::E0PD1>},
    Unlisted{"IDR3.EPAN", "EPAN", in_idr3<IDR3::EPAN>, any<Cd::EPAN>},
    Unlisted{"IDR3.S1PI", "PIE", in_idr3<IDR3::S1PI>, any<Cd::PIE>},
    Unlisted{"IDR3.AIE", "AIE", in_idr3<IDR3::AIE>, any<Cd::AIE>},
    Unlisted{"IDR3.MPAM", "PARTID or PMG", in_idr3<IDR3::MPAM>, any<Cd::PARTID, Cd::PMG>},
};

} // namespace

std::span<const Unlisted> unlisted_fields() { return unlisted; }

} // namespace sluice::advise

#include <sluice/arch/names/table.hpp>

namespace sluice::arch::names {

namespace {
using C = Cd;
using detail::named;

constexpr auto names = detail::table<decltype(Cd::fields)>(
    named(C::T0SZ, "T0SZ"), named(C::TG0, "TG0"), named(C::IR0, "IR0"), named(C::OR0, "OR0"), named(C::SH0, "SH0"),
    named(C::EPD0, "EPD0"), named(C::ENDI, "ENDI"), named(C::T1SZ, "T1SZ"), named(C::TG1, "TG1"), named(C::IR1, "IR1"),
    named(C::OR1, "OR1"), named(C::SH1, "SH1"), named(C::EPD1, "EPD1"), named(C::V, "V"), named(C::IPS, "IPS"),
    named(C::AFFD, "AFFD"), named(C::WXN, "WXN"), named(C::UWXN, "UWXN"), named(C::TBI0, "TBI0"),
    named(C::TBI1, "TBI1"), named(C::PAN, "PAN"), named(C::AA64, "AA64"), named(C::HD, "HD"), named(C::HA, "HA"),
    named(C::S, "S"), named(C::R, "R"), named(C::A, "A"), named(C::ASET, "ASET"), named(C::ASID, "ASID"),
    named(C::NSCFG0, "NSCFG0"), named(C::HAD0, "HAD0"), named(C::E0PD0, "E0PD0"), named(C::HAFT, "HAFT"),
    named(C::TTB0, "TTB0"), named(C::PnCH, "PnCH"), named(C::EPAN, "EPAN"), named(C::HWU059, "HWU059"),
    named(C::HWU060, "HWU060"), named(C::HWU061, "HWU061"), named(C::HWU062, "HWU062"), named(C::NSCFG1, "NSCFG1"),
    named(C::HAD1, "HAD1"), named(C::E0PD1, "E0PD1"), named(C::AIE, "AIE"), named(C::TTB1, "TTB1"), named(C::DS, "DS"),
    named(C::PIE, "PIE"), named(C::HWU159, "HWU159"), named(C::HWU160, "HWU160"), named(C::HWU161, "HWU161"),
    named(C::HWU162, "HWU162"), named(C::MAIR0, "MAIR0"), named(C::MAIR1, "MAIR1"), named(C::AMAIR0, "AMAIR0"),
    named(C::AMAIR1, "AMAIR1"), named(C::IMPDEF_351_320, "IMPDEF"), named(C::PARTID, "PARTID"), named(C::PMG, "PMG"),
    named(C::PIIU0, "PIIU0"), named(C::PIIU1, "PIIU1"), named(C::PIIU2, "PIIU2"), named(C::PIIU3, "PIIU3"),
    named(C::PIIU4, "PIIU4"), named(C::PIIU5, "PIIU5"), named(C::PIIU6, "PIIU6"), named(C::PIIU7, "PIIU7"),
    named(C::PIIU8, "PIIU8"), named(C::PIIU9, "PIIU9"), named(C::PIIU10, "PIIU10"), named(C::PIIU11, "PIIU11"),
    named(C::PIIU12, "PIIU12"), named(C::PIIU13, "PIIU13"), named(C::PIIU14, "PIIU14"), named(C::PIIU15, "PIIU15"),
    named(C::PIIP0, "PIIP0"), named(C::PIIP1, "PIIP1"), named(C::PIIP2, "PIIP2"), named(C::PIIP3, "PIIP3"),
    named(C::PIIP4, "PIIP4"), named(C::PIIP5, "PIIP5"), named(C::PIIP6, "PIIP6"), named(C::PIIP7, "PIIP7"),
    named(C::PIIP8, "PIIP8"), named(C::PIIP9, "PIIP9"), named(C::PIIP10, "PIIP10"), named(C::PIIP11, "PIIP11"),
    named(C::PIIP12, "PIIP12"), named(C::PIIP13, "PIIP13"), named(C::PIIP14, "PIIP14"), named(C::PIIP15, "PIIP15"));
} // namespace

std::span<const NamedField> fields_of(const Cd&) { return names; }

} // namespace sluice::arch::names

#include <sluice/arch/names/table.hpp>

namespace sluice::arch::names {

namespace {
using S = Ste;
using detail::named;

constexpr auto names = detail::table<decltype(Ste::fields)>(
    named(S::V, "V"), named(S::Config, "Config"), named(S::S1Fmt, "S1Fmt"), named(S::S1ContextPtr, "S1ContextPtr"),
    named(S::S1CDMax, "S1CDMax"), named(S::S1DSS, "S1DSS"), named(S::S1CIR, "S1CIR"), named(S::S1COR, "S1COR"),
    named(S::S1CSH, "S1CSH"), named(S::S2HWU59, "S2HWU59"), named(S::S2HWU60, "S2HWU60"), named(S::S2HWU61, "S2HWU61"),
    named(S::S2HWU62, "S2HWU62"), named(S::DRE, "DRE"), named(S::CONT, "CONT"), named(S::DCP, "DCP"),
    named(S::PPAR, "PPAR"), named(S::MEV, "MEV"), named(S::SW_RESERVED, "SW_RESERVED"), named(S::S1PIE, "S1PIE"),
    named(S::S2FWB, "S2FWB"), named(S::S1MPAM, "S1MPAM"), named(S::S1STALLD, "S1STALLD"), named(S::EATS, "EATS"),
    named(S::STRW, "STRW"), named(S::MemAttr, "MemAttr"), named(S::MTCFG, "MTCFG"), named(S::ALLOCCFG, "ALLOCCFG"),
    named(S::SHCFG, "SHCFG"), named(S::NSCFG, "NSCFG"), named(S::PRIVCFG, "PRIVCFG"), named(S::INSTCFG, "INSTCFG"),
    named(S::IMPDEF_127_116, "IMPDEF"), named(S::S2VMID, "S2VMID"), named(S::IMPDEF_159_144, "IMPDEF"),
    named(S::S2T0SZ, "S2T0SZ"), named(S::S2SL0, "S2SL0"), named(S::S2IR0, "S2IR0"), named(S::S2OR0, "S2OR0"),
    named(S::S2SH0, "S2SH0"), named(S::S2TG, "S2TG"), named(S::S2PS, "S2PS"), named(S::S2AA64, "S2AA64"),
    named(S::S2ENDI, "S2ENDI"), named(S::S2AFFD, "S2AFFD"), named(S::S2PTW, "S2PTW"), named(S::S2HD, "S2HD"),
    named(S::S2HA, "S2HA"), named(S::S2S, "S2S"), named(S::S2R, "S2R"), named(S::S2HAFT, "S2HAFT"),
    named(S::S2PIE, "S2PIE"), named(S::S2POE, "S2POE"), named(S::DPT_VMATCH, "DPT_VMATCH"), named(S::S2NSW, "S2NSW"),
    named(S::S2NSA, "S2NSA"), named(S::S2SL0_2, "S2SL0_2"), named(S::S2DS, "S2DS"), named(S::S2TTB, "S2TTB"),
    named(S::S2SKL, "S2SKL"), named(S::IMPDEF_271_256, "IMPDEF"), named(S::PARTID, "PARTID"),
    named(S::S_S2T0SZ, "S_S2T0SZ"), named(S::S_S2SL0, "S_S2SL0"), named(S::S_S2TG, "S_S2TG"), named(S::MECID, "MECID"),
    named(S::PMG, "PMG"), named(S::MPAM_NS, "MPAM_NS"), named(S::AssuredOnly, "AssuredOnly"), named(S::TL0, "TL0"),
    named(S::TL1, "TL1"), named(S::VMSPtr, "VMSPtr"), named(S::S2SW, "S2SW"), named(S::S2SA, "S2SA"),
    named(S::S_S2SL0_2, "S_S2SL0_2"), named(S::S_S2TTB, "S_S2TTB"), named(S::S_S2SKL, "S_S2SKL"),
    named(S::S2POI0, "S2POI0"), named(S::S2POI1, "S2POI1"), named(S::S2POI2, "S2POI2"), named(S::S2POI3, "S2POI3"),
    named(S::S2POI4, "S2POI4"), named(S::S2POI5, "S2POI5"), named(S::S2POI6, "S2POI6"), named(S::S2POI7, "S2POI7"),
    named(S::S2POI8, "S2POI8"), named(S::S2POI9, "S2POI9"), named(S::S2POI10, "S2POI10"), named(S::S2POI11, "S2POI11"),
    named(S::S2POI12, "S2POI12"), named(S::S2POI13, "S2POI13"), named(S::S2POI14, "S2POI14"),
    named(S::S2POI15, "S2POI15"));
} // namespace

std::span<const NamedField> fields_of(const Ste&) { return names; }

} // namespace sluice::arch::names

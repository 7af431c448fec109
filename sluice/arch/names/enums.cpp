#include <sluice/arch/names/enums.hpp>

#include <initializer_list>

namespace sluice::arch::names {

namespace {
template <class E>
std::string_view pick(E value, std::initializer_list<std::string_view> names) {
  const auto index = static_cast<std::size_t>(value);
  return index < names.size() ? names.begin()[index] : std::string_view{};
}
} // namespace

std::string_view name_of(Cerror v) {
  return pick(v, {"CERROR_NONE", "CERROR_ILL", "CERROR_ABT", "CERROR_ATC_INV_SYNC"});
}
std::string_view name_of(EventClass v) { return pick(v, {"CD", "TT", "IN"}); }
std::string_view name_of(SyncSignal v) { return pick(v, {"none", "IRQ", "SEV", "reserved"}); }
std::string_view name_of(PriResponse v) { return pick(v, {"failure", "invalid request", "success", "reserved"}); }
std::string_view name_of(PrgResponse v) {
  switch (v) {
  case PrgResponse::success:
    return "success";
  case PrgResponse::invalid_request:
    return "invalid request";
  case PrgResponse::failure:
    return "failure";
  }
  return {};
}

std::string_view name_of(SteConfig v) {
  return pick(v, {"abort", "abort", "abort", "abort", "bypass", "stage 1", "stage 2", "nested"});
}
std::string_view name_of(S1Format v) { return pick(v, {"linear", "2-level 4K", "2-level 64K", "reserved"}); }
std::string_view name_of(S1Dss v) { return pick(v, {"terminate", "bypass", "CD 0", "reserved"}); }
std::string_view name_of(Eats v) { return pick(v, {"none", "full", "split-stage", "full with DPT"}); }
std::string_view name_of(Strw v) { return pick(v, {"EL1", "EL3", "EL2", "reserved"}); }
std::string_view name_of(StreamTableFormat v) { return pick(v, {"linear", "2-level"}); }

std::string_view name_of(Shareability v) { return pick(v, {"NSH", "reserved", "OSH", "ISH"}); }
std::string_view name_of(Cacheability v) { return pick(v, {"NC", "WB", "WT", "WB no-allocate"}); }
std::string_view name_of(RegisterCacheability v) { return pick(v, {"NC", "WB", "WT", "reserved"}); }
std::string_view name_of(ShareabilityOverride v) { return pick(v, {"NSH", "incoming", "OSH", "ISH"}); }
std::string_view name_of(PrivilegeOverride v) {
  return pick(v, {"incoming", "reserved", "unprivileged", "privileged"});
}
std::string_view name_of(InstructionOverride v) { return pick(v, {"incoming", "reserved", "data", "instruction"}); }
std::string_view name_of(SecurityOverride v) { return pick(v, {"incoming", "reserved", "Secure", "Non-secure"}); }
std::string_view name_of(MemAttr v) {
  return pick(v, {"Device-nGnRnE", "Device-nGnRE", "Device-nGRE", "Device-GRE", "", "oNC-iNC", "oNC-iWT", "oNC-iWB", "",
                  "oWT-iNC", "oWT-iWT", "oWT-iWB", "", "oWB-iNC", "oWB-iWT", "oWB-iWB"});
}
std::string_view name_of(FwbMemAttr v) {
  return pick(v, {"Device-nGnRnE", "Device-nGnRE", "Device-nGRE", "Device-GRE", "reserved", "Normal NC", "Normal WB",
                  "stage 1's"});
}

std::string_view name_of(AddressSize v) { return pick(v, {"32", "36", "40", "42", "44", "48", "52", "56"}); }
std::string_view name_of(Granule v) { return pick(v, {"4K", "16K", "64K"}); }
std::string_view name_of(Tg0 v) { return pick(v, {"4K", "64K", "16K", "reserved"}); }
std::string_view name_of(Tg1 v) { return pick(v, {"reserved", "16K", "4K", "64K"}); }
std::string_view name_of(S2Tg v) { return pick(v, {"4K", "64K", "16K", "reserved"}); }
std::string_view name_of(TlbiTg v) { return pick(v, {"any", "4K", "16K", "64K"}); }

std::string_view name_of(Ttf v) { return pick(v, {"reserved", "VMSAv8-32", "VMSAv8-64", "both"}); }
std::string_view name_of(Httu v) {
  return pick(v, {"none", "access flag", "access and dirty", "access, dirty, tables"});
}
std::string_view name_of(TtEndian v) { return pick(v, {"mixed", "reserved", "little", "big"}); }
std::string_view name_of(StallModel v) { return pick(v, {"stall or terminate", "terminate", "stall", "reserved"}); }
std::string_view name_of(StLevel v) { return pick(v, {"linear", "2-level"}); }
std::string_view name_of(Bbml v) { return pick(v, {"level 0", "level 1", "level 2", "reserved"}); }
std::string_view name_of(Vax v) { return pick(v, {"48", "52", "56", "reserved"}); }
std::string_view name_of(AtosType v) { return pick(v, {"reserved", "stage 1", "stage 2", "both stages"}); }
std::string_view name_of(AtosReason v) { return pick(v, {"stage 1", "stage 2 CD", "stage 2 TT", "stage 2 IN"}); }

std::string_view name_of(Ap v) { return pick(v, {"privileged RW", "RW", "privileged RO", "RO"}); }
std::string_view name_of(S2Ap v) { return pick(v, {"none", "R", "W", "RW"}); }
std::string_view name_of(S2Xn v) { return pick(v, {"X", "X unprivileged", "XN", "X privileged"}); }
std::string_view name_of(DescriptorType v) { return pick(v, {"invalid", "block", "invalid", "table or page"}); }

std::string_view name_of(Feature v) {
  return pick(v, {"always",
                  "S1P",
                  "S2P",
                  "Hyp",
                  "ATS",
                  "PRI",
                  "MSI",
                  "PRI and MSI",
                  "ATOS",
                  "VATOS",
                  "stalls",
                  "VMW",
                  "BTM",
                  "ATSRECERR",
                  "ATTR_TYPES_OVR",
                  "ATTR_PERMS_OVR",
                  "ECMDQ",
                  "MPAM",
                  "S2PI",
                  "DPT",
                  "RIL",
                  "Secure interface",
                  "never"});
}
std::string_view name_of(Access v) { return pick(v, {"RO", "RW"}); }
std::string_view name_of(Guard v) {
  return pick(v, {"none", "CR0.SMMUEN", "CR0.CMDQEN", "CR0.EVENTQEN", "CR0.PRIQEN", "any queue enable",
                  "CR0.DPT_WALK_EN", "IRQ_CTRL.GERROR_IRQEN", "IRQ_CTRL.EVENTQ_IRQEN", "IRQ_CTRL.PRIQ_IRQEN", "Update",
                  "GATOS_CTRL.RUN", "GATOS_CTRL.RUN and CR0.SMMUEN", "VATOS_CTRL.RUN"});
}
std::string_view name_of(Handshake v) { return pick(v, {"mirror", "update", "toggle"}); }

} // namespace sluice::arch::names

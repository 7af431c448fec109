#include <sluice/arch/command_forms.hpp>
#include <sluice/arch/names/table.hpp>

namespace sluice::arch::names {

namespace {
using C = Command;
using detail::named;

template <Opcode Which, class... N>
consteval auto names(N... fields) {
  return detail::table<decltype(command_layout<Which>)>(fields...);
}

constexpr auto unknown =
    detail::table<base::FieldList<std::remove_cv_t<decltype(Command::Opcode)>>>(named(C::Opcode, "Opcode"));
constexpr auto cmd_prefetch_config = names<Opcode::CMD_PREFETCH_CONFIG>(
    named(C::Opcode, "Opcode"), named(C::SSec, "SSec"), named(C::StreamID, "StreamID"), named(C::SSV, "SSV"),
    named(C::SubstreamID, "SubstreamID"));
constexpr auto cmd_prefetch_addr = names<Opcode::CMD_PREFETCH_ADDR>(
    named(C::Opcode, "Opcode"), named(C::SSec, "SSec"), named(C::StreamID, "StreamID"), named(C::SSV, "SSV"),
    named(C::SubstreamID, "SubstreamID"), named(C::PrefetchSize, "Size"), named(C::Stride, "Stride"),
    named(C::NS, "NS"), named(C::Address, "Address"));
constexpr auto cmd_cfgi_ste = names<Opcode::CMD_CFGI_STE>(named(C::Opcode, "Opcode"), named(C::SSec, "SSec"),
                                                          named(C::StreamID, "StreamID"), named(C::Leaf, "Leaf"));
constexpr auto cmd_cfgi_ste_range = names<Opcode::CMD_CFGI_STE_RANGE>(
    named(C::Opcode, "Opcode"), named(C::SSec, "SSec"), named(C::StreamID, "StreamID"), named(C::Range, "Range"));
constexpr auto cmd_cfgi_cd =
    names<Opcode::CMD_CFGI_CD>(named(C::Opcode, "Opcode"), named(C::SSec, "SSec"), named(C::StreamID, "StreamID"),
                               named(C::SubstreamID, "SubstreamID"), named(C::Leaf, "Leaf"));
constexpr auto cmd_cfgi_cd_all =
    names<Opcode::CMD_CFGI_CD_ALL>(named(C::Opcode, "Opcode"), named(C::SSec, "SSec"), named(C::StreamID, "StreamID"));
constexpr auto cmd_cfgi_vms_pidm =
    names<Opcode::CMD_CFGI_VMS_PIDM>(named(C::Opcode, "Opcode"), named(C::SSec, "SSec"), named(C::VMID, "VMID"));
constexpr auto cmd_tlbi_nh_all = names<Opcode::CMD_TLBI_NH_ALL>(named(C::Opcode, "Opcode"), named(C::VMID, "VMID"));
constexpr auto cmd_tlbi_nh_asid =
    names<Opcode::CMD_TLBI_NH_ASID>(named(C::Opcode, "Opcode"), named(C::VMID, "VMID"), named(C::ASID, "ASID"));
constexpr auto cmd_tlbi_nh_va = names<Opcode::CMD_TLBI_NH_VA>(
    named(C::Opcode, "Opcode"), named(C::VMID, "VMID"), named(C::ASID, "ASID"), named(C::NUM, "NUM"),
    named(C::SCALE, "SCALE"), named(C::Leaf, "Leaf"), named(C::TTL128, "TTL128"), named(C::TTL, "TTL"),
    named(C::TG, "TG"), named(C::Address, "Address"));
constexpr auto cmd_tlbi_nh_vaa =
    names<Opcode::CMD_TLBI_NH_VAA>(named(C::Opcode, "Opcode"), named(C::VMID, "VMID"), named(C::NUM, "NUM"),
                                   named(C::SCALE, "SCALE"), named(C::Leaf, "Leaf"), named(C::TTL128, "TTL128"),
                                   named(C::TTL, "TTL"), named(C::TG, "TG"), named(C::Address, "Address"));
constexpr auto cmd_tlbi_el3_all = names<Opcode::CMD_TLBI_EL3_ALL>(named(C::Opcode, "Opcode"));
constexpr auto cmd_tlbi_el3_va = names<Opcode::CMD_TLBI_EL3_VA>(
    named(C::Opcode, "Opcode"), named(C::NUM, "NUM"), named(C::SCALE, "SCALE"), named(C::Leaf, "Leaf"),
    named(C::TTL128, "TTL128"), named(C::TTL, "TTL"), named(C::TG, "TG"), named(C::Address, "Address"));
constexpr auto cmd_tlbi_el2_all = names<Opcode::CMD_TLBI_EL2_ALL>(named(C::Opcode, "Opcode"));
constexpr auto cmd_tlbi_el2_asid = names<Opcode::CMD_TLBI_EL2_ASID>(named(C::Opcode, "Opcode"), named(C::ASID, "ASID"));
constexpr auto cmd_tlbi_el2_va =
    names<Opcode::CMD_TLBI_EL2_VA>(named(C::Opcode, "Opcode"), named(C::ASID, "ASID"), named(C::NUM, "NUM"),
                                   named(C::SCALE, "SCALE"), named(C::Leaf, "Leaf"), named(C::TTL128, "TTL128"),
                                   named(C::TTL, "TTL"), named(C::TG, "TG"), named(C::Address, "Address"));
constexpr auto cmd_tlbi_el2_vaa = names<Opcode::CMD_TLBI_EL2_VAA>(
    named(C::Opcode, "Opcode"), named(C::NUM, "NUM"), named(C::SCALE, "SCALE"), named(C::Leaf, "Leaf"),
    named(C::TTL128, "TTL128"), named(C::TTL, "TTL"), named(C::TG, "TG"), named(C::Address, "Address"));
constexpr auto cmd_tlbi_s12_vmall =
    names<Opcode::CMD_TLBI_S12_VMALL>(named(C::Opcode, "Opcode"), named(C::VMID, "VMID"));
constexpr auto cmd_tlbi_s2_ipa =
    names<Opcode::CMD_TLBI_S2_IPA>(named(C::Opcode, "Opcode"), named(C::VMID, "VMID"), named(C::NUM, "NUM"),
                                   named(C::SCALE, "SCALE"), named(C::Leaf, "Leaf"), named(C::TTL128, "TTL128"),
                                   named(C::TTL, "TTL"), named(C::TG, "TG"), named(C::IPA, "Address"));
constexpr auto cmd_tlbi_nsnh_all = names<Opcode::CMD_TLBI_NSNH_ALL>(named(C::Opcode, "Opcode"));
constexpr auto cmd_atc_inv = names<Opcode::CMD_ATC_INV>(
    named(C::Opcode, "Opcode"), named(C::Global, "Global"), named(C::SSV, "SSV"), named(C::SubstreamID, "SubstreamID"),
    named(C::StreamID, "StreamID"), named(C::Size, "Size"), named(C::Address, "Address"));
constexpr auto cmd_pri_resp =
    names<Opcode::CMD_PRI_RESP>(named(C::Opcode, "Opcode"), named(C::SSV, "SSV"), named(C::SubstreamID, "SubstreamID"),
                                named(C::StreamID, "StreamID"), named(C::PRGIndex, "PRGIndex"), named(C::Resp, "Resp"));
constexpr auto cmd_resume =
    names<Opcode::CMD_RESUME>(named(C::Opcode, "Opcode"), named(C::SSec, "SSec"), named(C::StreamID, "StreamID"),
                              named(C::Ac, "Ac"), named(C::Ab, "Ab"), named(C::STAG, "STAG"));
constexpr auto cmd_stall_term =
    names<Opcode::CMD_STALL_TERM>(named(C::Opcode, "Opcode"), named(C::SSec, "SSec"), named(C::StreamID, "StreamID"));
constexpr auto cmd_sync = names<Opcode::CMD_SYNC>(named(C::Opcode, "Opcode"), named(C::CS, "CS"), named(C::MSH, "MSH"),
                                                  named(C::MSIAttr, "MSIAttr"), named(C::MSIData, "MSIData"),
                                                  named(C::MSIAddress, "MSIAddress"), named(C::MSI_NS, "MSI_NS"));
constexpr auto cmd_tlbi_s_el2_all = names<Opcode::CMD_TLBI_S_EL2_ALL>(named(C::Opcode, "Opcode"));
constexpr auto cmd_tlbi_s_el2_asid =
    names<Opcode::CMD_TLBI_S_EL2_ASID>(named(C::Opcode, "Opcode"), named(C::ASID, "ASID"));
constexpr auto cmd_tlbi_s_el2_va =
    names<Opcode::CMD_TLBI_S_EL2_VA>(named(C::Opcode, "Opcode"), named(C::ASID, "ASID"), named(C::NUM, "NUM"),
                                     named(C::SCALE, "SCALE"), named(C::Leaf, "Leaf"), named(C::TTL128, "TTL128"),
                                     named(C::TTL, "TTL"), named(C::TG, "TG"), named(C::Address, "Address"));
constexpr auto cmd_tlbi_s_el2_vaa = names<Opcode::CMD_TLBI_S_EL2_VAA>(
    named(C::Opcode, "Opcode"), named(C::NUM, "NUM"), named(C::SCALE, "SCALE"), named(C::Leaf, "Leaf"),
    named(C::TTL128, "TTL128"), named(C::TTL, "TTL"), named(C::TG, "TG"), named(C::Address, "Address"));
constexpr auto cmd_tlbi_s_s12_vmall =
    names<Opcode::CMD_TLBI_S_S12_VMALL>(named(C::Opcode, "Opcode"), named(C::VMID, "VMID"));
constexpr auto cmd_tlbi_s_s2_ipa = names<Opcode::CMD_TLBI_S_S2_IPA>(
    named(C::Opcode, "Opcode"), named(C::VMID, "VMID"), named(C::NUM, "NUM"), named(C::SCALE, "SCALE"),
    named(C::Leaf, "Leaf"), named(C::TTL128, "TTL128"), named(C::TTL, "TTL"), named(C::TG, "TG"),
    named(C::IPA, "Address"), named(C::S2_IPA_NS, "NS"));
constexpr auto cmd_tlbi_snh_all = names<Opcode::CMD_TLBI_SNH_ALL>(named(C::Opcode, "Opcode"));
constexpr auto cmd_dpti_all = names<Opcode::CMD_DPTI_ALL>(named(C::Opcode, "Opcode"));
constexpr auto cmd_dpti_pa = names<Opcode::CMD_DPTI_PA>(named(C::Opcode, "Opcode"), named(C::IPA, "Address"));
} // namespace

std::string_view name_of(Opcode v) {
  switch (v) {
  case Opcode::CMD_PREFETCH_CONFIG:
    return "CMD_PREFETCH_CONFIG";
  case Opcode::CMD_PREFETCH_ADDR:
    return "CMD_PREFETCH_ADDR";
  case Opcode::CMD_CFGI_STE:
    return "CMD_CFGI_STE";
  case Opcode::CMD_CFGI_STE_RANGE:
    return "CMD_CFGI_STE_RANGE";
  case Opcode::CMD_CFGI_CD:
    return "CMD_CFGI_CD";
  case Opcode::CMD_CFGI_CD_ALL:
    return "CMD_CFGI_CD_ALL";
  case Opcode::CMD_CFGI_VMS_PIDM:
    return "CMD_CFGI_VMS_PIDM";
  case Opcode::CMD_TLBI_NH_ALL:
    return "CMD_TLBI_NH_ALL";
  case Opcode::CMD_TLBI_NH_ASID:
    return "CMD_TLBI_NH_ASID";
  case Opcode::CMD_TLBI_NH_VA:
    return "CMD_TLBI_NH_VA";
  case Opcode::CMD_TLBI_NH_VAA:
    return "CMD_TLBI_NH_VAA";
  case Opcode::CMD_TLBI_EL3_ALL:
    return "CMD_TLBI_EL3_ALL";
  case Opcode::CMD_TLBI_EL3_VA:
    return "CMD_TLBI_EL3_VA";
  case Opcode::CMD_TLBI_EL2_ALL:
    return "CMD_TLBI_EL2_ALL";
  case Opcode::CMD_TLBI_EL2_ASID:
    return "CMD_TLBI_EL2_ASID";
  case Opcode::CMD_TLBI_EL2_VA:
    return "CMD_TLBI_EL2_VA";
  case Opcode::CMD_TLBI_EL2_VAA:
    return "CMD_TLBI_EL2_VAA";
  case Opcode::CMD_TLBI_S12_VMALL:
    return "CMD_TLBI_S12_VMALL";
  case Opcode::CMD_TLBI_S2_IPA:
    return "CMD_TLBI_S2_IPA";
  case Opcode::CMD_TLBI_NSNH_ALL:
    return "CMD_TLBI_NSNH_ALL";
  case Opcode::CMD_ATC_INV:
    return "CMD_ATC_INV";
  case Opcode::CMD_PRI_RESP:
    return "CMD_PRI_RESP";
  case Opcode::CMD_RESUME:
    return "CMD_RESUME";
  case Opcode::CMD_STALL_TERM:
    return "CMD_STALL_TERM";
  case Opcode::CMD_SYNC:
    return "CMD_SYNC";
  case Opcode::CMD_TLBI_S_EL2_ALL:
    return "CMD_TLBI_S_EL2_ALL";
  case Opcode::CMD_TLBI_S_EL2_ASID:
    return "CMD_TLBI_S_EL2_ASID";
  case Opcode::CMD_TLBI_S_EL2_VA:
    return "CMD_TLBI_S_EL2_VA";
  case Opcode::CMD_TLBI_S_EL2_VAA:
    return "CMD_TLBI_S_EL2_VAA";
  case Opcode::CMD_TLBI_S_S12_VMALL:
    return "CMD_TLBI_S_S12_VMALL";
  case Opcode::CMD_TLBI_S_S2_IPA:
    return "CMD_TLBI_S_S2_IPA";
  case Opcode::CMD_TLBI_SNH_ALL:
    return "CMD_TLBI_SNH_ALL";
  case Opcode::CMD_DPTI_ALL:
    return "CMD_DPTI_ALL";
  case Opcode::CMD_DPTI_PA:
    return "CMD_DPTI_PA";
  }
  return {};
}

std::span<const NamedField> fields_of(const Command& s) {
  switch (s.get(Command::Opcode)) {
  case Opcode::CMD_PREFETCH_CONFIG:
    return cmd_prefetch_config;
  case Opcode::CMD_PREFETCH_ADDR:
    return cmd_prefetch_addr;
  case Opcode::CMD_CFGI_STE:
    return cmd_cfgi_ste;
  case Opcode::CMD_CFGI_STE_RANGE:
    return cmd_cfgi_ste_range;
  case Opcode::CMD_CFGI_CD:
    return cmd_cfgi_cd;
  case Opcode::CMD_CFGI_CD_ALL:
    return cmd_cfgi_cd_all;
  case Opcode::CMD_CFGI_VMS_PIDM:
    return cmd_cfgi_vms_pidm;
  case Opcode::CMD_TLBI_NH_ALL:
    return cmd_tlbi_nh_all;
  case Opcode::CMD_TLBI_NH_ASID:
    return cmd_tlbi_nh_asid;
  case Opcode::CMD_TLBI_NH_VA:
    return cmd_tlbi_nh_va;
  case Opcode::CMD_TLBI_NH_VAA:
    return cmd_tlbi_nh_vaa;
  case Opcode::CMD_TLBI_EL3_ALL:
    return cmd_tlbi_el3_all;
  case Opcode::CMD_TLBI_EL3_VA:
    return cmd_tlbi_el3_va;
  case Opcode::CMD_TLBI_EL2_ALL:
    return cmd_tlbi_el2_all;
  case Opcode::CMD_TLBI_EL2_ASID:
    return cmd_tlbi_el2_asid;
  case Opcode::CMD_TLBI_EL2_VA:
    return cmd_tlbi_el2_va;
  case Opcode::CMD_TLBI_EL2_VAA:
    return cmd_tlbi_el2_vaa;
  case Opcode::CMD_TLBI_S12_VMALL:
    return cmd_tlbi_s12_vmall;
  case Opcode::CMD_TLBI_S2_IPA:
    return cmd_tlbi_s2_ipa;
  case Opcode::CMD_TLBI_NSNH_ALL:
    return cmd_tlbi_nsnh_all;
  case Opcode::CMD_ATC_INV:
    return cmd_atc_inv;
  case Opcode::CMD_PRI_RESP:
    return cmd_pri_resp;
  case Opcode::CMD_RESUME:
    return cmd_resume;
  case Opcode::CMD_STALL_TERM:
    return cmd_stall_term;
  case Opcode::CMD_SYNC:
    return cmd_sync;
  case Opcode::CMD_TLBI_S_EL2_ALL:
    return cmd_tlbi_s_el2_all;
  case Opcode::CMD_TLBI_S_EL2_ASID:
    return cmd_tlbi_s_el2_asid;
  case Opcode::CMD_TLBI_S_EL2_VA:
    return cmd_tlbi_s_el2_va;
  case Opcode::CMD_TLBI_S_EL2_VAA:
    return cmd_tlbi_s_el2_vaa;
  case Opcode::CMD_TLBI_S_S12_VMALL:
    return cmd_tlbi_s_s12_vmall;
  case Opcode::CMD_TLBI_S_S2_IPA:
    return cmd_tlbi_s_s2_ipa;
  case Opcode::CMD_TLBI_SNH_ALL:
    return cmd_tlbi_snh_all;
  case Opcode::CMD_DPTI_ALL:
    return cmd_dpti_all;
  case Opcode::CMD_DPTI_PA:
    return cmd_dpti_pa;
  }
  return unknown;
}

} // namespace sluice::arch::names

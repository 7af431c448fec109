#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/feature.hpp>

#include <array>

// Which fields a command of each opcode has, and when it is legal. 4.1.3, 4.2 to 4.7
namespace sluice::arch {

// The fields of a command of one opcode.
template <Opcode>
inline constexpr auto command_layout = base::FieldList{};

namespace detail {
using C = Command;
inline constexpr auto bare = base::FieldList{C::Opcode};
inline constexpr auto by_vmid = base::FieldList{C::Opcode, C::VMID};
inline constexpr auto by_asid = base::FieldList{C::Opcode, C::ASID};
inline constexpr auto by_vmid_asid = base::FieldList{C::Opcode, C::VMID, C::ASID};
inline constexpr auto by_stream = base::FieldList{C::Opcode, C::SSec, C::StreamID};
inline constexpr auto range = base::FieldList{C::NUM, C::SCALE, C::Leaf, C::TTL128, C::TTL, C::TG};
inline constexpr auto by_va = range + base::FieldList{C::Address};
inline constexpr auto by_ipa = range + base::FieldList{C::IPA};
} // namespace detail

template <>
inline constexpr auto command_layout<Opcode::CMD_PREFETCH_CONFIG> = // 4.2.1
    detail::by_stream + base::FieldList{Command::SSV, Command::SubstreamID};
template <>
inline constexpr auto command_layout<Opcode::CMD_PREFETCH_ADDR> = // 4.2.2
    detail::by_stream + base::FieldList{Command::SSV,    Command::SubstreamID, Command::PrefetchSize,
                                        Command::Stride, Command::NS,          Command::Address};
template <>
inline constexpr auto command_layout<Opcode::CMD_CFGI_STE> = // 4.3.1
    detail::by_stream + base::FieldList{Command::Leaf};
template <>
inline constexpr auto command_layout<Opcode::CMD_CFGI_STE_RANGE> = // 4.3.2
    detail::by_stream + base::FieldList{Command::Range};
template <>
inline constexpr auto command_layout<Opcode::CMD_CFGI_CD> = // 4.3.4
    detail::by_stream + base::FieldList{Command::SubstreamID, Command::Leaf};
template <>
inline constexpr auto command_layout<Opcode::CMD_CFGI_CD_ALL> = detail::by_stream; // 4.3.5
template <>
inline constexpr auto command_layout<Opcode::CMD_CFGI_VMS_PIDM> = // 4.3.6
    base::FieldList{Command::Opcode, Command::SSec, Command::VMID};

// 4.4
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_NH_ALL> = detail::by_vmid;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_NH_ASID> = detail::by_vmid_asid;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_NH_VA> = detail::by_vmid_asid + detail::by_va;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_NH_VAA> = detail::by_vmid + detail::by_va;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_EL3_ALL> = detail::bare;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_EL3_VA> = detail::bare + detail::by_va;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_EL2_ALL> = detail::bare;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_EL2_ASID> = detail::by_asid;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_EL2_VA> = detail::by_asid + detail::by_va;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_EL2_VAA> = detail::bare + detail::by_va;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_S12_VMALL> = detail::by_vmid;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_S2_IPA> = detail::by_vmid + detail::by_ipa;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_NSNH_ALL> = detail::bare;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_S_EL2_ALL> = detail::bare;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_S_EL2_ASID> = detail::by_asid;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_S_EL2_VA> = detail::by_asid + detail::by_va;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_S_EL2_VAA> = detail::bare + detail::by_va;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_S_S12_VMALL> = detail::by_vmid;
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_S_S2_IPA> =
    detail::by_vmid + detail::by_ipa + base::FieldList{Command::S2_IPA_NS};
template <>
inline constexpr auto command_layout<Opcode::CMD_TLBI_SNH_ALL> = detail::bare;

template <>
inline constexpr auto command_layout<Opcode::CMD_ATC_INV> = // 4.5.1
    base::FieldList{Command::Opcode,   Command::Global, Command::SSV,    Command::SubstreamID,
                    Command::StreamID, Command::Size,   Command::Address};
template <>
inline constexpr auto command_layout<Opcode::CMD_PRI_RESP> = // 4.5.2
    base::FieldList{Command::Opcode,   Command::SSV,      Command::SubstreamID,
                    Command::StreamID, Command::PRGIndex, Command::Resp};
template <>
inline constexpr auto command_layout<Opcode::CMD_RESUME> = // 4.7.1
    detail::by_stream + base::FieldList{Command::Ac, Command::Ab, Command::STAG};
template <>
inline constexpr auto command_layout<Opcode::CMD_STALL_TERM> = detail::by_stream; // 4.7.2
template <>
inline constexpr auto command_layout<Opcode::CMD_SYNC> = // 4.7.3
    base::FieldList{Command::Opcode,  Command::CS,         Command::MSH,   Command::MSIAttr,
                    Command::MSIData, Command::MSIAddress, Command::MSI_NS};

// 4.6. Where SIZE and Leaf of CMD_DPTI_PA lie is not known to this table.
template <>
inline constexpr auto command_layout<Opcode::CMD_DPTI_ALL> = detail::bare;
template <>
inline constexpr auto command_layout<Opcode::CMD_DPTI_PA> = detail::bare + base::FieldList{Command::IPA};

struct CommandForm {
  Opcode opcode;
  Feature needs; // CERROR_ILL on the Non-secure queue without it; the secure ones always are
  bool by_range; // NUM, SCALE, TG, TTL: reserved without IDR3.RIL
  std::array<std::uint64_t, 2> defined;
};

namespace detail {
template <Opcode Op>
constexpr CommandForm command_form(Feature needs, bool by_range = false) {
  CommandForm form{Op, needs, by_range, {}};
  for (const base::FieldBits& field : command_layout<Op>.bits) {
    form.defined[field.word()] |= field.mask();
  }
  return form;
}
} // namespace detail

inline constexpr auto command_forms = std::array{
    detail::command_form<Opcode::CMD_PREFETCH_CONFIG>(Feature::always),
    detail::command_form<Opcode::CMD_PREFETCH_ADDR>(Feature::always),
    detail::command_form<Opcode::CMD_CFGI_STE>(Feature::always),
    detail::command_form<Opcode::CMD_CFGI_STE_RANGE>(Feature::always),
    detail::command_form<Opcode::CMD_CFGI_CD>(Feature::s1p),
    detail::command_form<Opcode::CMD_CFGI_CD_ALL>(Feature::s1p),
    detail::command_form<Opcode::CMD_CFGI_VMS_PIDM>(Feature::mpam),
    detail::command_form<Opcode::CMD_TLBI_NH_ALL>(Feature::s1p),
    detail::command_form<Opcode::CMD_TLBI_NH_ASID>(Feature::s1p),
    detail::command_form<Opcode::CMD_TLBI_NH_VA>(Feature::s1p, true),
    detail::command_form<Opcode::CMD_TLBI_NH_VAA>(Feature::s1p, true),
    detail::command_form<Opcode::CMD_TLBI_EL3_ALL>(Feature::secure),
    detail::command_form<Opcode::CMD_TLBI_EL3_VA>(Feature::secure, true),
    detail::command_form<Opcode::CMD_TLBI_EL2_ALL>(Feature::hyp),
    detail::command_form<Opcode::CMD_TLBI_EL2_ASID>(Feature::hyp),
    detail::command_form<Opcode::CMD_TLBI_EL2_VA>(Feature::hyp, true),
    detail::command_form<Opcode::CMD_TLBI_EL2_VAA>(Feature::hyp, true),
    detail::command_form<Opcode::CMD_TLBI_S12_VMALL>(Feature::s2p),
    detail::command_form<Opcode::CMD_TLBI_S2_IPA>(Feature::s2p, true),
    detail::command_form<Opcode::CMD_TLBI_NSNH_ALL>(Feature::always),
    detail::command_form<Opcode::CMD_ATC_INV>(Feature::ats),
    detail::command_form<Opcode::CMD_PRI_RESP>(Feature::pri),
    detail::command_form<Opcode::CMD_RESUME>(Feature::stall),
    detail::command_form<Opcode::CMD_STALL_TERM>(Feature::stall),
    detail::command_form<Opcode::CMD_SYNC>(Feature::always),
    detail::command_form<Opcode::CMD_TLBI_S_EL2_ALL>(Feature::secure),
    detail::command_form<Opcode::CMD_TLBI_S_EL2_ASID>(Feature::secure),
    detail::command_form<Opcode::CMD_TLBI_S_EL2_VA>(Feature::secure, true),
    detail::command_form<Opcode::CMD_TLBI_S_EL2_VAA>(Feature::secure, true),
    detail::command_form<Opcode::CMD_TLBI_S_S12_VMALL>(Feature::secure),
    detail::command_form<Opcode::CMD_TLBI_S_S2_IPA>(Feature::secure, true),
    detail::command_form<Opcode::CMD_TLBI_SNH_ALL>(Feature::secure),
    detail::command_form<Opcode::CMD_DPTI_ALL>(Feature::dpt),
    detail::command_form<Opcode::CMD_DPTI_PA>(Feature::dpt),
};

// The form of an opcode, or null for a reserved one.
constexpr const CommandForm* command_form(Opcode opcode) {
  for (const auto& form : command_forms) {
    if (form.opcode == opcode) {
      return &form;
    }
  }
  return nullptr;
}

// Bits that have to be 0 in a command of this form. `ril` is IDR3.RIL, `ds` is IDR5.DS.
constexpr std::array<std::uint64_t, 2> reserved_bits(const CommandForm& form, bool ril, bool ds) {
  auto defined = form.defined;
  if (form.by_range && !ril) {
    defined[0] &= ~(Command::NUM.mask | Command::SCALE.mask);
    defined[1] &= ~(Command::TG.mask | Command::TTL.mask | Command::TTL128.mask);
  } else if (form.by_range && ds) {
    defined[0] |= Command::SCALE_DS.mask;
  }
  return {~defined[0], ~defined[1]};
}

// 4.1.3 Parameters of a Non-secure command that CERROR_ILL answers whatever the SMMU supports. `ril` is IDR3.RIL and
// `ds` is IDR5.DS. Reserved bits are another question: they are optionally refused.
constexpr bool illegal_parameters(const CommandForm& form, const Command& c, bool ril, bool ds) {
  using C = Command;
  switch (form.opcode) {
  case Opcode::CMD_SYNC:
    return c.get(C::CS) == SyncSignal::reserved;
  case Opcode::CMD_PRI_RESP:
    return c.get(C::Resp) == PriResponse::reserved;
  default:
    break;
  }
  if ((form.defined[0] & C::SSec.mask) != 0 && c.get(C::SSec) != 0) {
    return true;
  }
  if (!form.by_range || !ril || c.get(C::TG) == TlbiTg::any) {
    return false;
  }
  // 4.4.1.1 A granule alone selects nothing. 16K with TTL 1 counts as TTL 0 without DS.
  const auto scale = ds ? c.get(C::SCALE_DS) : c.get(C::SCALE);
  const bool any_level = c.get(C::TTL) == 0 || (c.get(C::TTL) == 1 && c.get(C::TG) == TlbiTg::k16 && !ds);
  return c.get(C::NUM) == 0 && scale == 0 && any_level;
}

} // namespace sluice::arch

#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/frame/command.hpp>
#include <sluice/model/idr.hpp>
#include <sluice/model/observer.hpp>
#include <sluice/model/places.hpp>
#include <sluice/model/software_faults.hpp>
#include <sluice/model/stale_use.hpp>
#include <sluice/model/validity.hpp>

#include <array>
#include <cstdint>
#include <string_view>

// All that an SMMU can raise, with the rule and a sentence: what an Observer hears of. docs/model.md is made of it.
// Places, and what software does wrong, have tables of their own.
namespace sluice::model {

template <class Enum>
struct Sentence {
  Enum of{};
  std::string_view section{};
  std::string_view text{};
};

inline constexpr std::array<Sentence<Refusal>, 39> refusals{{
    {Refusal::version, "6.3.15", "AIDR says 0 to 4"},
    {Refusal::oas, "6.3.6", "IDR5.OAS says 32, 36, 40, 42, 44, 48 or 52"},
    {Refusal::streamid_bits, "6.3.2", "IDR1.SIDSIZE says 0 to 32"},
    {Refusal::substream_bits, "6.3.2", "IDR1.SSIDSIZE says 0 to 20"},
    {Refusal::queue_size, "6.3.2", "IDR1.CMDQS, EVENTQS and PRIQS say 0 to 19"},
    {Refusal::bbml, "6.3.4", "IDR3.BBML says 0 to 2"},
    {Refusal::httu, "6.3.1", "IDR0.HTTU says 0 to 2"},
    {Refusal::stall_model, "6.3.1", "IDR0.STALL_MODEL says 0 to 2"},
    {Refusal::stall_max, "6.3.6", "IDR5.STALL_MAX has 16 bits"},
    {Refusal::cache_size, "3.21.3", "a cache of no or too many entries, or of no power of two"},
    {Refusal::no_stage, "6.3.1", "neither S1P nor S2P"},
    {Refusal::hyp_stages, "6.3.1", "Hyp needs both stages; v3.2 with both needs Hyp"},
    {Refusal::needs_two_level, "6.3.1", "SIDSIZE >= 7 needs ST_LEVEL"},
    {Refusal::pri_without_ats, "6.3.1", "PRI needs ATS"},
    {Refusal::no_granule, "6.3.6", "no granule"},
    {Refusal::oas_version, "6.3.6", "OAS of 52 bits is from v3.1 on"},
    {Refusal::oas52_granule, "6.3.6", "OAS of 52 bits needs the 64 KB granule"},
    {Refusal::va52_granule, "6.3.6", "VAX of 52 bits needs the 64 KB granule"},
    {Refusal::v31_features, "2", "HAD and XNX are mandatory from v3.1 with their stage"},
    {Refusal::v32_features, "2", "BBML >= 1, RIL and FWB (with stage 2) are mandatory from v3.2"},
    {Refusal::v33_features, "2", "E0PD and PTWNNC are mandatory from v3.3 with their stage"},
    {Refusal::vmw_stage2, "6.3.1", "VMW needs S2P"},
    {Refusal::too_new, "2.1", "a feature of a version after the next"},
    {Refusal::stall_max_zero, "6.3.6", "STALL_MAX is 0 exactly when stalls are not supported"},
    {Refusal::needs_ats, "6.3.1", "ATSRECERR and PASIDTT need ATS, PPS needs PRI"},
    {Refusal::needs_pasids, "6.3.4", "PPS and PASIDTT need SSIDSIZE > 0"},
    {Refusal::pcie_stalls, "6.3.1", "STALL_MODEL is not 0b10 where there is PCIe, and so not with ATS"},
    {Refusal::no_v34, "2", "not modelled: EPAN and MTEPERM, mandatory from v3.4"},
    {Refusal::no_secure, "6.3.50", "not modelled: the Secure programming interface"},
    {Refusal::no_rme, "6.3.1", "not modelled: RME, the Realm programming interface"},
    {Refusal::no_aarch32, "6.3.1", "not modelled: VMSAv8-32 tables"},
    {Refusal::no_big_endian, "6.3.1", "not modelled: big-endian tables"},
    {Refusal::no_atos, "6.3.1", "not modelled: the ATOS registers"},
    {Refusal::no_vatos, "6.3.1", "not modelled: the VATOS page"},
    {Refusal::no_ecmdq, "6.3.2", "not modelled: enhanced command queues"},
    {Refusal::no_mpam, "6.3.4", "not modelled: MPAM, and so the VMS"},
    {Refusal::no_dpt, "6.3.4", "not modelled: the Device Permission Table"},
    {Refusal::no_ds, "6.3.6", "not modelled: 52 bits with 4 KB and 16 KB granules"},
    {Refusal::no_d128, "6.3.6", "not modelled: VMSAv9-128 tables"},
}};

inline constexpr std::array<Sentence<BadSte>, 20> bad_stes{{
    {BadSte::n1_v0, "5.2.2 (1)", "V is 0"},
    {BadSte::n2_no_stage1, "5.2.2 (2)", "Config asks for a stage 1 that there is not"},
    {BadSte::n3_no_stage2, "5.2.2 (3)", "Config asks for a stage 2 that there is not"},
    {BadSte::n4a_eats_split, "5.2.2 (4)", "EATS is 0b10: not nested, with S2S, or with IDR0.NS1ATS"},
    {BadSte::n4b_eats_stall, "5.2.2 (4)", "EATS is 0b01 of a stage 2 with S2S"},
    {BadSte::n5_strw, "5.2.2 (5)", "STRW is reserved"},
    {BadSte::n6a_s1stalld, "5.2.2 (6)", "S1STALLD where not both stall models are"},
    {BadSte::n6b_s1cdmax, "5.2.2 (6)", "S1CDMax is beyond SSIDSIZE"},
    {BadSte::n6c_two_level_cd, "5.2.2 (6)", "S1Fmt has two levels, and IDR0.CD2L is 0"},
    {BadSte::n6d_s1contextptr, "3.4.3", "S1ContextPtr is beyond OAS"},
    {BadSte::n7b_stall_model, "5.2.2 (7)", "S2S is not what the stall model is"},
    {BadSte::n7c_aarch32, "5.2.2 (7)", "S2AA64 asks for VMSAv8-32"},
    {BadSte::n7d_httu, "5.2.2 (7)", "S2HA or S2HD without HTTU"},
    {BadSte::n7e_granule, "5.2.2 (7)", "S2TG is reserved, or of a granule that there is not"},
    {BadSte::n7f_s2ttb, "5.2.2 (7)", "S2TTB is beyond S2PS"},
    {BadSte::n7g_s2t0sz, "5.2.2 (7)", "S2T0SZ is out of range"},
    {BadSte::n7h_start_level, "5.2.2 (7)", "S2SL0 is reserved, or no start level of S2T0SZ"},
    {BadSte::n7j_endian, "5.2.2 (7)", "S2ENDI asks for big-endian tables"},
    {BadSte::n8_vmid8, "5.2.2 (8)", "S2VMID has more bits than there are"},
    {BadSte::reserved_bits, "5", "a reserved bit is 1; not without Knobs::reserved_bits_illegal"},
}};

inline constexpr std::array<Sentence<BadCd>, 15> bad_cds{{
    {BadCd::n1_v0, "5.4.2 (1)", "V is 0"},
    {BadCd::n2_s1stalld, "5.4.2 (2)", "S with STE.S1STALLD"},
    {BadCd::n3_term_model, "5.4.2 (3)", "A is 0, and IDR0.TERM_MODEL has only aborts"},
    {BadCd::n4_stall_model, "5.4.2 (4)", "S is not what the stall model is"},
    {BadCd::n5_endian, "5.4.2 (5)", "ENDI asks for big-endian tables"},
    {BadCd::n6_aarch32, "5.4.2 (6)", "AA64 asks for VMSAv8-32"},
    {BadCd::n8_httu, "5.4.2 (8)", "HA or HD without HTTU"},
    {BadCd::n9_asid8, "5.4.2 (9)", "ASID has more bits than there are"},
    {BadCd::n10_txsz0, "5.4.2 (10)", "T0SZ is out of range"},
    {BadCd::n10_txsz1, "5.4.2 (10)", "T1SZ is out of range"},
    {BadCd::n11_tg0, "5.4.2 (11)", "TG0 is reserved, or of a granule that there is not"},
    {BadCd::n11_tg1, "5.4.2 (11)", "TG1 is reserved, or of a granule that there is not"},
    {BadCd::n11_ttb0, "5.4.2 (11)", "TTB0 is beyond IPS"},
    {BadCd::n11_ttb1, "5.4.2 (11)", "TTB1 is beyond IPS"},
    {BadCd::reserved_bits, "5", "a reserved bit is 1; not without Knobs::reserved_bits_illegal"},
}};

inline constexpr std::array<Sentence<StaleKind>, 6> stale_kinds{{
    {StaleKind::l1std, "4.3.1", "an L1STD; CMD_CFGI_STE without Leaf is missing"},
    {StaleKind::ste, "4.3.1", "an STE; CMD_CFGI_STE"},
    {StaleKind::l1cd, "4.3.4", "an L1CD; CMD_CFGI_CD without Leaf"},
    {StaleKind::cd, "4.3.4", "a CD; CMD_CFGI_CD"},
    {StaleKind::translation, "4.4", "a translation; CMD_TLBI_NH_VA, CMD_TLBI_EL2_VA or CMD_TLBI_S2_IPA"},
    {StaleKind::atc, "4.5.1", "a translation of an ATC; CMD_ATC_INV"},
}};

// 4.1.3: `number` of an illegal command.
constexpr std::uint16_t illegal_command(frame::Illegal why, arch::Opcode opcode) {
  return static_cast<std::uint16_t>(static_cast<unsigned>(why) << 8 |
                                    (why == frame::Illegal::opcode ? 0U : static_cast<unsigned>(opcode)));
}

} // namespace sluice::model

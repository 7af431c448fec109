#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/model/facts.hpp>
#include <sluice/model/world.hpp>

#include <cstdint>

namespace sluice::model {

// 5.2.2 SteIllegal(): why a transaction through the STE ends with C_BAD_STE. The number is that of the condition in the
// manual's order; conditions of Secure and Realm streams, VMSAv8-32 stage 2, D128, MPAM, DPT, S2PIE and S2POE cannot
// hold.
enum class BadSte : std::uint8_t {
  none,
  n1_v0,
  n2_no_stage1,
  n3_no_stage2,
  n4a_eats_split,
  n4b_eats_stall,
  n5_strw,
  n6a_s1stalld,
  n6b_s1cdmax,
  n6c_two_level_cd,
  n6d_s1contextptr,
  n7b_stall_model,
  n7c_aarch32,
  n7d_httu,
  n7e_granule,
  n7f_s2ttb,
  n7g_s2t0sz,
  n7h_start_level,
  n7j_endian,
  n8_vmid8,
  reserved_bits, // 5, by Knobs::reserved_bits_illegal
};

// V is 1 and Config is 0xx: legal, and aborts every transaction without an event.
inline bool silently_aborts(const arch::Ste& ste) {
  return ste.get(arch::Ste::V) == 1 && arch::aborts(ste.get(arch::Ste::Config));
}

BadSte ste_illegal(const arch::Ste& ste, const Facts& facts);

// 5.4.2 CdIllegal(), numbered likewise; D128, PIE and HAFT conditions cannot hold.
enum class BadCd : std::uint8_t {
  none,
  n1_v0,
  n2_s1stalld,
  n3_term_model,
  n4_stall_model,
  n5_endian,
  n6_aarch32,
  n8_httu,
  n9_asid8,
  n10_txsz0,
  n10_txsz1,
  n11_tg0,
  n11_tg1,
  n11_ttb0,
  n11_ttb1,
  reserved_bits,
};

// `ste` is legal and translates stage 1.
BadCd cd_illegal(const arch::Cd& cd, const arch::Ste& ste, World world, const Facts& facts);

// 5.2 STRW, 3.3.3
World stream_world(const arch::Ste& ste, bool e2h, const Facts& facts);

// 5.2 S1CDMax: IGNORED without substreams.
unsigned effective_s1cdmax(const arch::Ste& ste, const Facts& facts);

} // namespace sluice::model

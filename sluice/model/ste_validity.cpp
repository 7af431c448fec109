#include <sluice/arch/l1.hpp>
#include <sluice/arch/stage2_geometry.hpp>
#include <sluice/model/validity.hpp>

namespace sluice::model {

namespace {

using arch::Ste;

// 5: bits that software writes as 0, because no field owns them or the field's feature is absent.
bool reserved_bits_set(const Ste& ste) {
  if (!base::reserved_zero(ste)) {
    return true;
  }
  return base::FieldList{Ste::S1PIE,      Ste::S1MPAM,   Ste::S2HAFT,      Ste::S2PIE,     Ste::S2POE,
                         Ste::DPT_VMATCH, Ste::S2NSW,    Ste::S2NSA,       Ste::S2DS,      Ste::S2SL0_2,
                         Ste::S2SKL,      Ste::S_S2T0SZ, Ste::S_S2SL0,     Ste::S_S2TG,    Ste::MECID,
                         Ste::MPAM_NS,    Ste::VMSPtr,   Ste::AssuredOnly, Ste::TL0,       Ste::TL1,
                         Ste::S2SW,       Ste::S2SA,     Ste::S_S2TTB,     Ste::S_S2SL0_2, Ste::S_S2SKL}
      .apply([&](auto... f) { return ((static_cast<std::uint64_t>(ste.get(f)) != 0) || ...); });
}

// 5.2.2 condition 4
BadSte bad_eats(const Ste& ste, const Facts& f) {
  if (!f.features.ats || (static_cast<unsigned>(ste.get(Ste::Config)) & 3) == 0) {
    return BadSte::none;
  }
  const bool stalls = ste.get(Ste::S2S) == 1;
  const auto config = ste.get(Ste::Config);
  if (ste.get(Ste::EATS) == arch::Eats::split &&
      (config != arch::SteConfig::nested || stalls || !f.features.split_stage_ats)) {
    return BadSte::n4a_eats_split;
  }
  if (ste.get(Ste::EATS) == arch::Eats::full && stalls && arch::translates_stage2(config)) {
    return BadSte::n4b_eats_stall;
  }
  return BadSte::none;
}

// 5.2.2 condition 6
BadSte bad_stage1(const Ste& ste, const Facts& f) {
  if (ste.get(Ste::S1STALLD) == 1 && f.features.stall_model != 0) {
    return BadSte::n6a_s1stalld;
  }
  const unsigned s1cdmax = effective_s1cdmax(ste, f);
  if (s1cdmax > f.features.substreamid_bits) {
    return BadSte::n6b_s1cdmax;
  }
  if (s1cdmax != 0 && !f.features.two_level_cds && arch::cd_split(ste.get(Ste::S1Fmt)) != 0) {
    return BadSte::n6c_two_level_cd;
  }
  // 3.4.3: v3.0 truncates, and so does this; the IPA of a nested stream is checked here too, not by stage 2.
  if (f.features.version != 0 && (ste.get(Ste::S1ContextPtr) & ~f.oas_mask()) != 0) {
    return BadSte::n6d_s1contextptr;
  }
  return BadSte::none;
}

// 5.2.2 condition 7
BadSte bad_stage2(const Ste& ste, const Facts& f) {
  const bool stalls = ste.get(Ste::S2S) == 1;
  if ((stalls && f.features.stall_model == 1) || (!stalls && f.features.stall_model == 2)) {
    return BadSte::n7b_stall_model;
  }
  if (ste.get(Ste::S2AA64) == 0) { // TTF is 0b10
    return BadSte::n7c_aarch32;
  }
  if (((ste.get(Ste::S2HA) | ste.get(Ste::S2HD)) != 0 && f.features.httu == 0) ||
      (ste.get(Ste::S2HD) != 0 && f.features.httu == 1)) {
    return BadSte::n7d_httu;
  }
  const auto g = arch::granule_of(ste.get(Ste::S2TG));
  if (!g || !arch::has_granule(f.id, *g)) {
    return BadSte::n7e_granule;
  }
  const unsigned ps = arch::effective_output_bits(f.id, ste.get(Ste::S2PS));
  const std::uint64_t ttb = ste.get(Ste::S2TTB) & mask_below(f.pointer_bits);
  if ((ttb & ~mask_below(ps)) != 0 || (*g != arch::Granule::k64 && (ttb & ~mask_below(48)) != 0)) {
    return BadSte::n7f_s2ttb;
  }
  // S2T0SZ out of range is ILLEGAL here in v3.0 too.
  const auto t0sz = static_cast<unsigned>(ste.get(Ste::S2T0SZ));
  const bool stt = f.features.small_tables;
  if (t0sz < arch::smallest_s2t0sz(*g, f.ias, false) || t0sz > arch::largest_txsz(*g, stt)) {
    return BadSte::n7g_s2t0sz;
  }
  const int level = arch::s2_start_level(*g, {static_cast<std::uint8_t>(ste.get(Ste::S2SL0)), 0}, false, stt);
  if (level == arch::no_level || arch::s2_concatenation(*g, level, t0sz, false, stt) == 0) {
    return BadSte::n7h_start_level;
  }
  if (ste.get(Ste::S2ENDI) == 1) { // TTENDIAN is 0b10
    return BadSte::n7j_endian;
  }
  return BadSte::none;
}

// 5.2 S2VMID: IGNORED unless the stream's translations carry a VMID.
bool vmid_used(const Ste& ste, const Facts& f) {
  const auto config = ste.get(Ste::Config);
  if (!f.features.stage2 || config == arch::SteConfig::bypass) {
    return false;
  }
  return stream_world(ste, false, f) == World::el1;
}

} // namespace

unsigned effective_s1cdmax(const Ste& ste, const Facts& f) {
  return f.features.substreamid_bits == 0 ? 0 : static_cast<unsigned>(ste.get(Ste::S1CDMax));
}

World stream_world(const Ste& ste, bool e2h, const Facts& f) {
  if (ste.get(Ste::Config) == arch::SteConfig::stage1 && f.features.hyp && ste.get(Ste::STRW) == arch::Strw::el2) {
    return e2h ? World::el2_e2h : World::el2;
  }
  return World::el1;
}

BadSte ste_illegal(const Ste& ste, const Facts& f) {
  const auto config = ste.get(Ste::Config);
  if (silently_aborts(ste)) {
    return BadSte::none;
  }
  // 1
  if (ste.get(Ste::V) == 0) {
    return BadSte::n1_v0;
  }
  // 2
  if (arch::translates_stage1(config) && !f.features.stage1) {
    return BadSte::n2_no_stage1;
  }
  // 3
  if (arch::translates_stage2(config) && !f.features.stage2) {
    return BadSte::n3_no_stage2;
  }
  // 4
  if (const BadSte bad = bad_eats(ste, f); bad != BadSte::none) {
    return bad;
  }
  // 5
  if (config == arch::SteConfig::stage1 && f.features.hyp && (static_cast<unsigned>(ste.get(Ste::STRW)) & 1) != 0) {
    return BadSte::n5_strw;
  }
  // 6
  if (arch::translates_stage1(config)) {
    if (const BadSte bad = bad_stage1(ste, f); bad != BadSte::none) {
      return bad;
    }
  }
  // 7
  if (arch::translates_stage2(config)) {
    if (const BadSte bad = bad_stage2(ste, f); bad != BadSte::none) {
      return bad;
    }
  }
  // 8
  if (vmid_used(ste, f) && !f.features.vmid16 && ste.get(Ste::S2VMID) > 0xff) {
    return BadSte::n8_vmid8;
  }
  if (f.knobs.reserved_bits_illegal && reserved_bits_set(ste)) {
    return BadSte::reserved_bits;
  }
  return BadSte::none;
}

} // namespace sluice::model

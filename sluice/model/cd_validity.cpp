#include <sluice/arch/geometry.hpp>
#include <sluice/model/validity.hpp>

namespace sluice::model {

namespace {

using arch::Cd;

bool reserved_bits_set(const Cd& cd, const Facts& f) {
  if (!base::reserved_zero(cd) || (!f.features.e0pd && (cd.get(Cd::E0PD0) | cd.get(Cd::E0PD1)) != 0)) {
    return true;
  }
  return base::FieldList{Cd::NSCFG0, Cd::NSCFG1, Cd::EPAN, Cd::HAFT, Cd::PnCH, Cd::AIE, Cd::DS, Cd::PIE}.apply(
      [&](auto... field) { return ((static_cast<std::uint64_t>(cd.get(field)) != 0) || ...); });
}

struct Half {
  bool disabled;
  unsigned txsz;
  base::Result<arch::Granule> granule;
  std::uint64_t ttb;
};

// 5.4 T0SZ, T1SZ. Out of range is ILLEGAL here in v3.0 too.
bool txsz_in_range(unsigned txsz, arch::Granule g, const Facts& f) {
  return txsz >= arch::smallest_txsz(g, f.features.va52, false) &&
         txsz <= arch::largest_txsz(g, f.features.small_tables);
}

BadCd bad_half(const Half& half, unsigned ips, unsigned x, const Facts& f) {
  if (half.disabled) {
    return BadCd::none;
  }
  // 10
  if (!txsz_in_range(half.txsz, half.granule.value_or(arch::Granule::k4), f)) {
    return x == 0 ? BadCd::n10_txsz0 : BadCd::n10_txsz1;
  }
  // 11
  if (!half.granule || !arch::has_granule(f.id, *half.granule)) {
    return x == 0 ? BadCd::n11_tg0 : BadCd::n11_tg1;
  }
  if ((half.ttb & ~mask_below(ips)) != 0 ||
      (*half.granule != arch::Granule::k64 && (half.ttb & ~mask_below(48)) != 0)) {
    return x == 0 ? BadCd::n11_ttb0 : BadCd::n11_ttb1;
  }
  return BadCd::none;
}

} // namespace

BadCd cd_illegal(const Cd& cd, const arch::Ste& ste, World world, const Facts& f) {
  // 1
  if (cd.get(Cd::V) == 0) {
    return BadCd::n1_v0;
  }
  // 2
  const bool stalls = cd.get(Cd::S) == 1;
  if (ste.get(arch::Ste::S1STALLD) == 1 && stalls) {
    return BadCd::n2_s1stalld;
  }
  // 3
  if (f.features.terminate_only_abort && cd.get(Cd::A) == 0) {
    return BadCd::n3_term_model;
  }
  // 4
  if ((f.features.stall_model == 1 && stalls) || (f.features.stall_model == 2 && !stalls)) {
    return BadCd::n4_stall_model;
  }
  // 5: TTENDIAN is 0b10
  const bool halves = two_halves(world);
  const bool epd0 = halves && cd.get(Cd::EPD0) == 1;
  const bool epd1 = !halves || cd.get(Cd::EPD1) == 1;
  if (!(epd0 && epd1) && cd.get(Cd::ENDI) == 1) {
    return BadCd::n5_endian;
  }
  // 6: TTF is 0b10; 7 cannot hold
  if (cd.get(Cd::AA64) == 0) {
    return BadCd::n6_aarch32;
  }
  // 8
  if (((cd.get(Cd::HA) | cd.get(Cd::HD)) != 0 && f.features.httu == 0) ||
      (cd.get(Cd::HD) != 0 && f.features.httu == 1)) {
    return BadCd::n8_httu;
  }
  // 9
  if (halves && !f.features.asid16 && cd.get(Cd::ASID) > 0xff) {
    return BadCd::n9_asid8;
  }
  // 10, 11: both halves, whichever the address uses (5.4.1.1)
  const unsigned ips = arch::effective_output_bits(f.id, cd.get(Cd::IPS));
  const std::uint64_t ttb_bits = mask_below(f.pointer_bits);
  const Half half0{epd0, static_cast<unsigned>(cd.get(Cd::T0SZ)), arch::granule_of(cd.get(Cd::TG0)),
                   cd.get(Cd::TTB0) & ttb_bits};
  const Half half1{epd1, static_cast<unsigned>(cd.get(Cd::T1SZ)), arch::granule_of(cd.get(Cd::TG1)),
                   cd.get(Cd::TTB1) & ttb_bits};
  if (const BadCd bad = bad_half(half0, ips, 0, f); bad != BadCd::none) {
    return bad;
  }
  if (const BadCd bad = bad_half(half1, ips, 1, f); bad != BadCd::none) {
    return bad;
  }
  if (f.knobs.reserved_bits_illegal && reserved_bits_set(cd, f)) {
    return BadCd::reserved_bits;
  }
  return BadCd::none;
}

} // namespace sluice::model

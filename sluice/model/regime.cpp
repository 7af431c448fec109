#include <sluice/model/regime.hpp>

#include <sluice/arch/stage2_geometry.hpp>

namespace sluice::model {

using arch::Cd;
using arch::GBPA;
using arch::Ste;

namespace {

template <class C>
MemoryType fetch_type(C outer, C inner, arch::Shareability sh) {
  return normalised({static_cast<std::uint8_t>(half_of(outer) << 4 | half_of(inner)), sh});
}

std::uint64_t aligned(std::uint64_t ttb, const TreeShape& t) {
  return ttb & ~(arch::first_table_align(t.granule, t.start, t.input_bits, t.address_bits) - 1);
}

} // namespace

// 5.4
Stage1 stage1_of(const Cd& cd, World world, const Facts& f) {
  Stage1 s1;
  s1.world = world;
  s1.mair = cd.get(Cd::MAIR0) | cd.get(Cd::MAIR1) << 32;
  s1.affd = cd.get(Cd::AFFD) != 0;
  s1.wxn = cd.get(Cd::WXN) != 0;
  s1.pan = cd.get(Cd::PAN) != 0 && two_halves(world);
  s1.abort = cd.get(Cd::A) != 0;
  s1.record = cd.get(Cd::R) != 0;
  const unsigned output_bits = arch::effective_output_bits(f.id, cd.get(Cd::IPS));

  auto& low = s1.half[0];
  low.disabled = two_halves(world) && cd.get(Cd::EPD0) != 0;
  low.ignore_top = cd.get(Cd::TBI0) != 0;
  low.ignore_hierarchy = f.features.had && cd.get(Cd::HAD0) != 0;
  if (!low.disabled) {
    auto& t = low.tree;
    t.granule = arch::granule_of(cd.get(Cd::TG0)).value_or(arch::Granule::k4);
    t.input_bits = 64 - static_cast<unsigned>(cd.get(Cd::T0SZ));
    t.start = arch::start_level(t.granule, t.input_bits);
    t.output_bits = output_bits;
    t.address_bits = f.address_bits(t.granule);
    t.table = aligned(cd.get(Cd::TTB0) & mask_below(f.pointer_bits), t);
    t.type = fetch_type(cd.get(Cd::OR0), cd.get(Cd::IR0), cd.get(Cd::SH0));
  }
  auto& high = s1.half[1];
  high.disabled = !two_halves(world) || cd.get(Cd::EPD1) != 0;
  high.ignore_top = two_halves(world) && cd.get(Cd::TBI1) != 0;
  high.ignore_hierarchy = f.features.had && cd.get(Cd::HAD1) != 0;
  if (!high.disabled) {
    auto& t = high.tree;
    t.granule = arch::granule_of(cd.get(Cd::TG1)).value_or(arch::Granule::k4);
    t.input_bits = 64 - static_cast<unsigned>(cd.get(Cd::T1SZ));
    t.start = arch::start_level(t.granule, t.input_bits);
    t.output_bits = output_bits;
    t.address_bits = f.address_bits(t.granule);
    t.table = aligned(cd.get(Cd::TTB1) & mask_below(f.pointer_bits), t);
    t.type = fetch_type(cd.get(Cd::OR1), cd.get(Cd::IR1), cd.get(Cd::SH1));
  }
  return s1;
}

// 5.2
Stage2 stage2_of(const Ste& ste, const Facts& f) {
  Stage2 s2;
  auto& t = s2.tree;
  t.granule = arch::granule_of(ste.get(Ste::S2TG)).value_or(arch::Granule::k4);
  t.input_bits = 64 - static_cast<unsigned>(ste.get(Ste::S2T0SZ));
  t.start = arch::s2_start_level(t.granule, {static_cast<std::uint8_t>(ste.get(Ste::S2SL0)), 0}, false,
                                 f.features.small_tables);
  t.output_bits = arch::effective_output_bits(f.id, ste.get(Ste::S2PS));
  t.address_bits = f.address_bits(t.granule);
  t.table = aligned(ste.get(Ste::S2TTB) & mask_below(f.pointer_bits), t);
  t.type = fetch_type(ste.get(Ste::S2OR0), ste.get(Ste::S2IR0), ste.get(Ste::S2SH0));
  s2.affd = ste.get(Ste::S2AFFD) != 0;
  s2.ptw = ste.get(Ste::S2PTW) != 0;
  s2.fwb = f.features.fwb && ste.get(Ste::S2FWB) != 0;
  s2.record = ste.get(Ste::S2R) != 0;
  return s2;
}

MemoryType incoming_of(const Ste& ste, const Facts& f) {
  if (!f.features.attr_types_override) {
    return normalised({});
  }
  return TypeOverride{ste.get(Ste::MTCFG) != 0, ste.get(Ste::MemAttr),
                      static_cast<std::uint8_t>(ste.get(Ste::ALLOCCFG)), ste.get(Ste::SHCFG)}
      .apply({});
}

RightsOverride rights_of(const Ste& ste, const Facts& f) {
  return f.features.attr_perms_override ? RightsOverride{ste.get(Ste::PRIVCFG), ste.get(Ste::INSTCFG)}
                                        : RightsOverride{};
}

// 6.3.14
MemoryType incoming_of(const GBPA& gbpa, const Facts& f) {
  if (!f.features.attr_types_override) {
    return normalised({});
  }
  return TypeOverride{gbpa.get(GBPA::MTCFG) != 0, gbpa.get(GBPA::MemAttr),
                      static_cast<std::uint8_t>(gbpa.get(GBPA::ALLOCCFG)), gbpa.get(GBPA::SHCFG)}
      .apply({});
}

RightsOverride rights_of(const GBPA& gbpa, const Facts& f) {
  return f.features.attr_perms_override ? RightsOverride{gbpa.get(GBPA::PRIVCFG), gbpa.get(GBPA::INSTCFG)}
                                        : RightsOverride{};
}

} // namespace sluice::model

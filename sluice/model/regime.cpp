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

TreeShape tree_of(arch::Granule g, unsigned input_bits, int start, std::uint64_t ttb, unsigned output_bits,
                  MemoryType type, const Facts& f) {
  TreeShape t;
  t.granule = g;
  t.address_bits = f.address_bits(g);
  t.start = start;
  t.input_bits = input_bits;
  t.page_shift = arch::granule_bits(g);
  t.stride = arch::stride(g);
  t.input_mask = mask_below(input_bits);
  t.output_mask = mask_below(output_bits);
  t.table = ttb & mask_below(f.pointer_bits) & ~(arch::first_table_align(g, start, input_bits, t.address_bits) - 1);
  t.type = type;
  t.fetch = attributes(type, false, true);
  return t;
}

} // namespace

// 5.4
Stage1 stage1_of(const Cd& cd, World world, const Facts& f) {
  Stage1 s1;
  s1.world = world;
  s1.mair = cd.get(Cd::MAIR0) | cd.get(Cd::MAIR1) << 32;
  s1.access_flag = cd.get(Cd::HA) != 0;
  s1.dirty = s1.access_flag && cd.get(Cd::HD) != 0;
  s1.affd = cd.get(Cd::AFFD) != 0;
  s1.wxn = cd.get(Cd::WXN) != 0;
  s1.pan = cd.get(Cd::PAN) != 0 && two_halves(world);
  s1.abort = cd.get(Cd::A) != 0;
  s1.record = cd.get(Cd::R) != 0;
  s1.stall = cd.get(Cd::S) != 0;
  const unsigned output_bits = arch::effective_output_bits(f.id, cd.get(Cd::IPS));

  auto& low = s1.half[0];
  low.disabled = two_halves(world) && cd.get(Cd::EPD0) != 0;
  low.ignore_top = cd.get(Cd::TBI0) != 0;
  low.ignore_hierarchy = f.features.had && cd.get(Cd::HAD0) != 0;
  low.privileged_only = two_halves(world) && f.features.e0pd && cd.get(Cd::E0PD0) != 0;
  if (!low.disabled) {
    const auto g = arch::granule_of(cd.get(Cd::TG0)).value_or(arch::Granule::k4);
    const unsigned bits = 64 - static_cast<unsigned>(cd.get(Cd::T0SZ));
    low.tree = tree_of(g, bits, arch::start_level(g, bits), cd.get(Cd::TTB0), output_bits,
                       fetch_type(cd.get(Cd::OR0), cd.get(Cd::IR0), cd.get(Cd::SH0)), f);
  }
  auto& high = s1.half[1];
  high.disabled = !two_halves(world) || cd.get(Cd::EPD1) != 0;
  high.ignore_top = two_halves(world) && cd.get(Cd::TBI1) != 0;
  high.ignore_hierarchy = f.features.had && cd.get(Cd::HAD1) != 0;
  high.privileged_only = two_halves(world) && f.features.e0pd && cd.get(Cd::E0PD1) != 0;
  if (!high.disabled) {
    const auto g = arch::granule_of(cd.get(Cd::TG1)).value_or(arch::Granule::k4);
    const unsigned bits = 64 - static_cast<unsigned>(cd.get(Cd::T1SZ));
    high.tree = tree_of(g, bits, arch::start_level(g, bits), cd.get(Cd::TTB1), output_bits,
                        fetch_type(cd.get(Cd::OR1), cd.get(Cd::IR1), cd.get(Cd::SH1)), f);
  }
  return s1;
}

// 5.2
Stage2 stage2_of(const Ste& ste, const Facts& f) {
  Stage2 s2;
  const auto g = arch::granule_of(ste.get(Ste::S2TG)).value_or(arch::Granule::k4);
  const int start =
      arch::s2_start_level(g, {static_cast<std::uint8_t>(ste.get(Ste::S2SL0)), 0}, false, f.features.small_tables);
  s2.tree = tree_of(g, 64 - static_cast<unsigned>(ste.get(Ste::S2T0SZ)), start, ste.get(Ste::S2TTB),
                    arch::effective_output_bits(f.id, ste.get(Ste::S2PS)),
                    fetch_type(ste.get(Ste::S2OR0), ste.get(Ste::S2IR0), ste.get(Ste::S2SH0)), f);
  s2.access_flag = ste.get(Ste::S2HA) != 0;
  s2.dirty = s2.access_flag && ste.get(Ste::S2HD) != 0;
  s2.affd = ste.get(Ste::S2AFFD) != 0;
  s2.ptw = ste.get(Ste::S2PTW) != 0;
  s2.ptwnnc = f.features.ptwnnc;
  s2.fwb = f.features.fwb && ste.get(Ste::S2FWB) != 0;
  s2.record = ste.get(Ste::S2R) != 0;
  s2.stall = ste.get(Ste::S2S) != 0;
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

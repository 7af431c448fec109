#include <sluice/driver/entries.hpp>

namespace sluice::driver {

using namespace arch;

namespace {

template <class... F>
constexpr EntryWords bits(F... fields) {
  EntryWords words{};
  ((words[fields.word] |= fields.mask), ...);
  return words;
}
constexpr EntryWords operator|(EntryWords a, const EntryWords& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] |= b[i];
  }
  return a;
}

// 5.2.1
constexpr EntryWords always = bits(Ste::V);
constexpr EntryWords configured = always | bits(Ste::Config);
constexpr EntryWords passing = // all that is not aborted
    configured | bits(Ste::MTCFG, Ste::MemAttr, Ste::ALLOCCFG, Ste::SHCFG, Ste::NSCFG, Ste::PRIVCFG, Ste::INSTCFG,
                      Ste::CONT, Ste::IMPDEF_127_116, Ste::IMPDEF_159_144, Ste::IMPDEF_271_256, Ste::PARTID, Ste::PMG,
                      Ste::MPAM_NS);
constexpr EntryWords translating = passing | bits(Ste::EATS, Ste::MEV, Ste::DRE, Ste::DCP);
constexpr EntryWords stage1 = translating | bits(Ste::S1ContextPtr, Ste::S1CDMax, Ste::S1CIR, Ste::S1COR, Ste::S1CSH,
                                                 Ste::S1STALLD, Ste::S1PIE, Ste::S1MPAM, Ste::PPAR);
constexpr EntryWords substreams = bits(Ste::S1Fmt, Ste::S1DSS); // 5.2: IGNORED when S1CDMax is 0
constexpr EntryWords stage2 =
    translating |
    bits(Ste::S2HWU59, Ste::S2HWU60, Ste::S2HWU61, Ste::S2HWU62, Ste::S2FWB, Ste::S2VMID, Ste::S2T0SZ, Ste::S2SL0,
         Ste::S2IR0, Ste::S2OR0, Ste::S2SH0, Ste::S2TG, Ste::S2PS, Ste::S2AA64, Ste::S2ENDI, Ste::S2AFFD, Ste::S2HD,
         Ste::S2HA, Ste::S2S, Ste::S2R, Ste::S2HAFT, Ste::S2PIE, Ste::S2POE, Ste::DPT_VMATCH) |
    bits(Ste::S2NSW, Ste::S2NSA, Ste::S2SL0_2, Ste::S2DS, Ste::S2TTB, Ste::S2SKL, Ste::S_S2T0SZ, Ste::S_S2SL0,
         Ste::S_S2TG, Ste::MECID, Ste::AssuredOnly, Ste::TL0, Ste::TL1, Ste::S2SW, Ste::S2SA, Ste::S_S2SL0_2,
         Ste::S_S2TTB, Ste::S_S2SKL) |
    bits(Ste::S2POI0, Ste::S2POI1, Ste::S2POI2, Ste::S2POI3, Ste::S2POI4, Ste::S2POI5, Ste::S2POI6, Ste::S2POI7,
         Ste::S2POI8, Ste::S2POI9, Ste::S2POI10, Ste::S2POI11, Ste::S2POI12, Ste::S2POI13, Ste::S2POI14, Ste::S2POI15);

} // namespace

EntryWords used_bits(const Ste& ste, const EntryFacts& facts) {
  if (ste.get(Ste::V) == 0) {
    return always;
  }
  const EntryWords first = ste.get(Ste::S1CDMax) != 0 ? stage1 | substreams : stage1;
  switch (ste.get(Ste::Config)) {
  case SteConfig::bypass:
    return passing;
  case SteConfig::stage1:
    // STRW is IGNORED in all others, and S2VMID tags stage 1 entries only where there is a stage 2.
    return first | bits(Ste::STRW) | (facts.stage2 ? bits(Ste::S2VMID) : EntryWords{});
  case SteConfig::stage2:
    return stage2;
  case SteConfig::nested:
    return first | stage2 | bits(Ste::S2PTW, Ste::VMSPtr);
  default:
    return configured; // 0b0xx aborts
  }
}

EntryWords used_bits(const Cd& cd) {
  if (cd.get(Cd::V) == 0) {
    return bits(Cd::V);
  }
  EntryWords used = base::defined_bits<Cd>();
  // 5.4 CD.EPDx: what describes the walks of a range that has none is IGNORED.
  const auto ignore = [&](const EntryWords& unused) {
    for (std::size_t i = 0; i < used.size(); ++i) {
      used[i] &= ~unused[i];
    }
  };
  if (cd.get(Cd::EPD0) == 1) {
    ignore(bits(Cd::T0SZ, Cd::TG0, Cd::IR0, Cd::OR0, Cd::SH0, Cd::TTB0));
  }
  if (cd.get(Cd::EPD1) == 1) {
    ignore(bits(Cd::T1SZ, Cd::TG1, Cd::IR1, Cd::OR1, Cd::SH1, Cd::TTB1));
  }
  return used;
}

EntryWords exempt_bits(bool ats_off) {
  return ats_off ? bits(Ste::MEV, Ste::CONT, Ste::EATS) : bits(Ste::MEV, Ste::CONT);
}

} // namespace sluice::driver

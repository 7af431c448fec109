#include <sluice/driver/entries.hpp>

namespace sluice::driver {

using namespace arch;

EntryFacts entry_facts(const Capabilities& capabilities, bool coherent) {
  EntryFacts facts;
  facts.coherent = coherent;
  facts.attr_types = capabilities.attr_types;
  facts.stalls_optional = capabilities.stalls == StallModel::stall_or_terminate;
  facts.stalls_forced = capabilities.stalls == StallModel::stall;
  facts.stage2 = capabilities.stage2;
  return facts;
}

namespace {
Ste valid(SteConfig config) { return Ste{}.with(Ste::V, 1).with(Ste::Config, config); }

// SHCFG is the same in all that translates or bypasses, so that it never has to change together with another word.
Ste& pass_attributes(Ste& ste, const EntryFacts& facts) {
  return facts.attr_types ? ste.set(Ste::SHCFG, ShareabilityOverride::incoming) : ste;
}
// 5.5: with STALL_MODEL 0b10 all must stall, with 0b01 none may.
bool stall(const EntryFacts& facts, Stalls stalls) {
  return facts.stalls_forced || (facts.stalls_optional && stalls.allowed && stalls.wanted);
}
} // namespace

Ste abort_ste() { return valid(SteConfig::abort); }

Ste bypass_ste(const EntryFacts& facts) {
  Ste ste = valid(SteConfig::bypass);
  return pass_attributes(ste, facts);
}

Ste stage1_ste(const EntryFacts& facts, std::uint64_t cd_table, Stalls stalls) {
  Ste ste = valid(SteConfig::stage1);
  pass_attributes(ste, facts);
  ste.set(Ste::S1ContextPtr, cd_table);
  ste.set(Ste::S1CIR, facts.coherent ? Cacheability::write_back : Cacheability::non_cacheable);
  ste.set(Ste::S1COR, facts.coherent ? Cacheability::write_back : Cacheability::non_cacheable);
  ste.set(Ste::S1CSH, facts.coherent ? Shareability::inner : Shareability::outer);
  ste.set(Ste::STRW, facts.e2h ? Strw::el2 : Strw::el1);
  ste.set(Ste::S1STALLD, facts.stalls_optional && !stalls.allowed); // 5.2: ILLEGAL under any other STALL_MODEL
  return ste;
}

Ste table_ste(const EntryFacts& facts, std::uint64_t cd_table, S1Format format, unsigned bits, S1Dss dss,
              Stalls stalls) {
  return stage1_ste(facts, cd_table, stalls).with(Ste::S1Fmt, format).with(Ste::S1CDMax, bits).with(Ste::S1DSS, dss);
}

Ste stage2_ste(const EntryFacts& facts, std::uint16_t vmid, const pagetable::Fields& table, Stalls stalls) {
  Ste ste = valid(SteConfig::stage2);
  pass_attributes(ste, facts);
  ste.set(Ste::S2FWB, table.S2FWB);
  ste.set(Ste::S2VMID, vmid);
  ste.set(Ste::S2T0SZ, table.T0SZ);
  ste.set(Ste::S2SL0, table.S2SL0);
  ste.set(Ste::S2IR0, table.IR).set(Ste::S2OR0, table.OR).set(Ste::S2SH0, table.SH);
  ste.set(Ste::S2TG, table.S2TG).set(Ste::S2PS, table.PS);
  ste.set(Ste::S2AA64, 1);
  ste.set(Ste::S2HA, table.HA).set(Ste::S2HD, table.HD);
  ste.set(Ste::S2R, 1);
  ste.set(Ste::S2S, stall(facts, stalls));
  ste.set(Ste::S2TTB, table.TTB);
  return ste;
}

Cd stage1_cd(const EntryFacts& facts, std::uint16_t asid, const pagetable::Fields& table, Stalls stalls) {
  Cd cd;
  cd.set(Cd::V, 1).set(Cd::AA64, 1);
  cd.set(Cd::T0SZ, table.T0SZ).set(Cd::TG0, table.TG0).set(Cd::IPS, table.PS);
  cd.set(Cd::IR0, table.IR).set(Cd::OR0, table.OR).set(Cd::SH0, table.SH);
  cd.set(Cd::EPD1, 1);
  cd.set(Cd::HA, table.HA).set(Cd::HD, table.HD);
  cd.set(Cd::R, 1).set(Cd::A, 1).set(Cd::S, stall(facts, stalls));
  cd.set(Cd::ASET, 1);
  cd.set(Cd::ASID, asid);
  cd.set(Cd::TTB0, table.TTB);
  cd.set(Cd::MAIR0, table.MAIR0);
  return cd;
}

Cd sva_cd(const EntryFacts& facts, std::uint16_t asid, const pagetable::Fields& table, std::uint64_t mair,
          Stalls stalls, bool shared) {
  return stage1_cd(facts, asid, table, stalls)
      .with(Cd::MAIR0, mair & 0xffff'ffff)
      .with(Cd::MAIR1, mair >> 32)
      .with(Cd::ASET, !shared);
}

Cd quiet_cd(const EntryFacts& facts, const Cd& cd) {
  Cd quiet = cd;
  quiet.set(Cd::EPD0, 1);
  quiet.set(Cd::T0SZ, 0).set(Cd::TG0, Tg0::k4).set(Cd::TTB0, 0);
  quiet.set(Cd::IR0, Cacheability::non_cacheable).set(Cd::OR0, Cacheability::non_cacheable);
  quiet.set(Cd::SH0, Shareability::non_shareable);
  quiet.set(Cd::R, 0).set(Cd::S, facts.stalls_forced);
  return quiet;
}

} // namespace sluice::driver

#include <sluice/model/configuration.hpp>

#include <sluice/model/faults.hpp>
#include <sluice/model/validity.hpp>

namespace sluice::model {

using arch::Ste;

Configuration::Configuration(Bus& bus, const Facts& facts, Walker& walker, Contexts& contexts, Choices& choices)
    : bus_{bus}, facts_{facts}, walker_{walker}, contexts_{contexts}, choices_{choices}, stes_{facts.knobs.ste_cache},
      atschk_{facts.knobs.ste_cache}, l1stds_{facts.knobs.ste_cache}, cds_{facts.knobs.cd_cache},
      l1cds_{facts.knobs.cd_cache} {}

bool Configuration::resolve(const LiveRegisters& registers, std::uint32_t sid, std::optional<std::uint32_t> ssid,
                            Regime& regime, Fault& fault) {
  regime = {};
  Ste ste;
  bool stage1 = false;
  if (!find_stream(registers, sid, ste, fault)) {
    return false;
  }
  regime.merge = ste.get(Ste::MEV) != 0;
  if (!check_substream(ste, ssid, stage1, fault)) {
    return false;
  }
  apply_stream(registers, ste, stage1, regime);
  return !stage1 || apply_context(registers, ste, sid, ssid, regime, fault);
}

bool Configuration::find_stream(const LiveRegisters& registers, std::uint32_t sid, Ste& ste, Fault& fault) {
  // 1, 2: C_BAD_STREAMID, F_STE_FETCH
  if (!find_ste(registers, sid, ste, fault)) {
    return false;
  }
  // 3: C_BAD_STE
  if (const BadSte bad = ste_illegal(ste, facts_); bad != BadSte::none) {
    fail(fault, at("stream.ste"));
    fault.bad_ste = bad;
    return false;
  }
  if (silently_aborts(ste)) {
    fail(fault, at("config.abort"));
    fault.record = false;
    return false;
  }
  return true;
}

bool Configuration::check_substream(const Ste& ste, std::optional<std::uint32_t> ssid, bool& stage1,
                                    Fault& fault) const {
  const bool has_stage1 = arch::translates_stage1(ste.get(Ste::Config));
  const unsigned s1cdmax = has_stage1 ? effective_s1cdmax(ste, facts_) : 0;
  // 5: C_BAD_SUBSTREAMID
  if (ssid && s1cdmax == 0) {
    return fail(fault, facts_.features.substreamid_bits == 0 ? at("substream.unsupported")
                       : has_stage1                          ? at("substream.none")
                                                             : at("substream.no_stage1"));
  }
  if (ssid && *ssid > mask_below(s1cdmax)) {
    return fail(fault, at("substream.s1cdmax"));
  }
  // 6: F_STREAM_DISABLED
  const auto dss = ste.get(Ste::S1DSS);
  if (s1cdmax != 0 && !ssid && (dss == arch::S1Dss::terminate || dss == arch::S1Dss::reserved)) {
    return fail(fault, at("substream.terminate"));
  }
  if (s1cdmax != 0 && ssid == 0U && dss == arch::S1Dss::cd0) {
    return fail(fault, at("substream.zero"));
  }
  stage1 = has_stage1 && !(s1cdmax != 0 && !ssid && dss == arch::S1Dss::bypass);
  return true;
}

void Configuration::apply_stream(const LiveRegisters& registers, const Ste& ste, bool stage1, Regime& regime) {
  const auto config = ste.get(Ste::Config);
  regime.stage1 = stage1;
  regime.stage2 = arch::translates_stage2(config);
  regime.merge = ste.get(Ste::MEV) != 0;
  regime.input_limit = config == arch::SteConfig::bypass ? facts_.oas : facts_.ias; // 3.4
  regime.incoming = incoming_of(ste, facts_);
  regime.rights = rights_of(ste, facts_);
  if (regime.stage2) {
    regime.s2 = stage2_of(ste, facts_);
    regime.ipa_context = contexts_.name({Context::Kind::ipa, World::el1, false, vmid_of(registers, ste), 0});
    regime.context = regime.ipa_context;
  }
}

bool Configuration::apply_context(const LiveRegisters& registers, const Ste& ste, std::uint32_t sid,
                                  std::optional<std::uint32_t> ssid, Regime& regime, Fault& fault) {
  // 7, 8, 9: stage 2 faults of the CD fetch, F_CD_FETCH, C_BAD_CD
  const World world = world_of(registers, ste);
  arch::Cd cd;
  if (!find_cd(regime, ste, sid, ssid.value_or(0), cd, fault)) {
    return false;
  }
  if (const BadCd bad = cd_illegal(cd, ste, world, facts_); bad != BadCd::none) {
    fail(fault, at("substream.cd"));
    fault.bad_cd = bad;
    return false;
  }
  regime.s1 = stage1_of(cd, world, facts_);
  const auto vmid = vmid_of(registers, ste);
  const auto asid = static_cast<std::uint16_t>(two_halves(world) ? cd.get(arch::Cd::ASID) : 0);
  const bool aset = cd.get(arch::Cd::ASET) != 0;
  regime.context = contexts_.name({Context::Kind::va, world, aset, vmid, asid});
  regime.global_context =
      two_halves(world) ? contexts_.name({Context::Kind::va_global, world, aset, vmid, 0}) : regime.context;
  return true;
}

arch::Eats Configuration::eats(const LiveRegisters& registers, std::uint32_t sid, const Ste& ste) const {
  const auto config = ste.get(Ste::Config);
  if (!facts_.features.ats || config == arch::SteConfig::bypass) {
    return arch::Eats::none;
  }
  const bool* fetched_with = atschk_.find(sid);
  const bool atschk = fetched_with != nullptr ? *fetched_with : registers.atschk;
  switch (ste.get(Ste::EATS)) {
  case arch::Eats::full:
    return arch::Eats::full;
  case arch::Eats::split:
    return atschk ? arch::Eats::split : arch::Eats::none;
  default: // 0b11 needs IDR3.DPT
    return arch::Eats::none;
  }
}

World Configuration::world_of(const LiveRegisters& registers, const Ste& ste) const {
  return stream_world(ste, registers.cr2.get(arch::CR2::E2H) != 0, facts_);
}

std::uint16_t Configuration::vmid_of(const LiveRegisters& registers, const Ste& ste) const {
  const bool tagged = world_of(registers, ste) == World::el1 && facts_.features.stage2;
  return static_cast<std::uint16_t>(tagged ? ste.get(Ste::S2VMID) : 0);
}

} // namespace sluice::model

#include <sluice/model/configuration.hpp>

#include <sluice/model/validity.hpp>

namespace sluice::model {

using arch::EventType;
using arch::Ste;

namespace {

bool fail(Fault& fault, EventType type) {
  fault = {};
  fault.event = type;
  return false;
}

// 6.3.12 RECINVSID
bool bad_streamid(const LiveRegisters& registers, Fault& fault) {
  fail(fault, EventType::C_BAD_STREAMID);
  fault.record = registers.cr2.get(arch::CR2::RECINVSID) != 0;
  return false;
}

} // namespace

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
  if (ste_illegal(ste, facts_) != BadSte::none) {
    return fail(fault, EventType::C_BAD_STE);
  }
  if (silently_aborts(ste)) {
    fault = {};
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
  if (ssid && (s1cdmax == 0 || *ssid > mask_below(s1cdmax))) {
    return fail(fault, EventType::C_BAD_SUBSTREAMID);
  }
  // 6: F_STREAM_DISABLED
  const auto dss = ste.get(Ste::S1DSS);
  if (s1cdmax != 0 && ((!ssid && (dss == arch::S1Dss::terminate || dss == arch::S1Dss::reserved)) ||
                       (ssid == 0U && dss == arch::S1Dss::cd0))) {
    return fail(fault, EventType::F_STREAM_DISABLED);
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
    fail(fault, EventType::C_BAD_CD);
    fault.no_cd = bad == BadCd::n1_v0;
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

// 3.21.3: words are fetched one by one, each atomically, in ascending order unless a knob says otherwise. Words of
// `have` are there already.
template <class S>
bool Configuration::fetch(std::uint64_t address, const Attributes& attributes, S& structure, std::uint8_t have) {
  static_assert(S::word_count <= 8);
  constexpr std::array<std::uint8_t, 8> ascending{0, 1, 2, 3, 4, 5, 6, 7};
  const auto order = facts_.knobs.adversary.any_order ? choices_.order(S::word_count) : ascending;
  for (std::size_t n = 0; n < S::word_count; ++n) {
    const std::size_t i = order[n];
    if ((have >> i & 1) != 0) {
      continue;
    }
    ++reads_;
    if (!bus_.read64(address + i * 8, attributes, structure.w[i])) {
      return false;
    }
  }
  return true;
}

// 3.21.3: fetches what is not cached of a structure. False: an external abort, and the cache is as it was.
template <class S>
bool Configuration::complete(ConfigCache<Fetched<S>>& cache, std::uint64_t key, std::uint64_t at,
                             const Attributes& attributes, S& structure) {
  Fetched<S> fetched;
  const auto* cached = cache.find(key);
  if (cached != nullptr && (cached->at == at || !facts_.knobs.adversary.one_place)) {
    fetched = *cached;
  }
  fetched.at = at;
  if (!fetch(at, attributes, fetched.value, fetched.have)) {
    return false;
  }
  fetched.have = (1U << S::word_count) - 1;
  structure = cache.insert(key, fetched).value;
  return true;
}

// 3.3.1, 5.1
bool Configuration::ste_address(const LiveRegisters& registers, std::uint32_t sid, std::uint64_t& address,
                                Fault& fault) {
  const std::uint64_t base = registers.base.get(arch::STRTAB_BASE::ADDR) & facts_.oas_mask(); // 3.4.3
  const auto log2size = static_cast<unsigned>(registers.cfg.get(arch::STRTAB_BASE_CFG::LOG2SIZE));
  const bool two_level = facts_.features.two_level_streams &&
                         registers.cfg.get(arch::STRTAB_BASE_CFG::FMT) == arch::StreamTableFormat::two_level;
  if (!two_level) {
    address = (base & ~mask_below(log2size + 6)) + std::uint64_t{sid} * 64;
    return true;
  }
  const unsigned split = arch::effective_split(registers.cfg.get(arch::STRTAB_BASE_CFG::SPLIT));
  const std::uint32_t index = sid >> split;
  const auto* l1 = l1stds_.find(key(index, split));
  if (l1 == nullptr) {
    const unsigned table_log2 = log2size > split ? log2size - split + 3 : 3;
    const std::uint64_t at = (base & ~mask_below(table_log2 < 6 ? 6 : table_log2)) + std::uint64_t{index} * 8;
    L1StdOf fetched{{}, split};
    if (!fetch(at, table_attributes(registers.cr1), fetched.value)) {
      fail(fault, EventType::F_STE_FETCH);
      fault.fetch = at;
      return false;
    }
    l1 = &l1stds_.insert(key(index, split), fetched);
  }
  // 5.1.1: Span 0 or reserved, wider than SPLIT, or the StreamID beyond it
  const auto span = static_cast<unsigned>(l1->value.get(arch::L1Std::Span));
  const auto within = static_cast<std::uint32_t>(sid & mask_below(split));
  if (arch::l1std_entries(span) == 0 || span > split + 1 || within >= arch::l1std_entries(span)) {
    return bad_streamid(registers, fault);
  }
  const std::uint64_t table = l1->value.get(arch::L1Std::L2Ptr) & facts_.oas_mask() & ~mask_below(5 + span);
  address = table + std::uint64_t{within} * 64;
  return true;
}

bool Configuration::find_ste(const LiveRegisters& registers, std::uint32_t sid, Ste& ste, Fault& fault) {
  // 6.3.25: the literal LOG2SIZE aligns the table, the one capped to SIDSIZE limits StreamIDs.
  const auto log2size = static_cast<unsigned>(registers.cfg.get(arch::STRTAB_BASE_CFG::LOG2SIZE));
  const unsigned bits = log2size < facts_.features.streamid_bits ? log2size : facts_.features.streamid_bits;
  if (sid > mask_below(bits)) {
    return bad_streamid(registers, fault);
  }
  if (const auto* cached = stes_.find(sid); cached != nullptr && cached->whole()) {
    ste = cached->value;
    return true;
  }
  std::uint64_t at = 0;
  if (!ste_address(registers, sid, at, fault)) {
    return false;
  }
  if (!complete(stes_, sid, at, table_attributes(registers.cr1), ste)) {
    fail(fault, EventType::F_STE_FETCH);
    fault.fetch = at;
    return false;
  }
  atschk_.insert(sid, registers.atschk); // 3.9.2
  return true;
}

// 13.8: attributes of CD fetches are the STE's; nested, the pointer is an IPA.
bool Configuration::to_pa(const Regime& regime, const Ste& ste, std::uint64_t address, std::uint64_t& pa,
                          Attributes& attr, Fault& fault) {
  const MemoryType type =
      normalised({static_cast<std::uint8_t>(cd_half_of(ste.get(Ste::S1COR)) << 4 | cd_half_of(ste.get(Ste::S1CIR))),
                  ste.get(Ste::S1CSH)});
  if (regime.stage2) {
    return walker_.own_access(regime, address, arch::EventClass::cd, type, pa, attr, fault);
  }
  pa = address;
  attr = attributes(type, false, true);
  return true;
}

// 5.2 S1Fmt, 5.3
bool Configuration::cd_address(const Regime& regime, const Ste& ste, std::uint32_t sid, std::uint32_t index,
                               std::uint64_t& address, Fault& fault) {
  const unsigned s1cdmax = effective_s1cdmax(ste, facts_);
  const unsigned split = s1cdmax == 0 ? 0 : arch::cd_split(ste.get(Ste::S1Fmt));
  const std::uint64_t pointer = ste.get(Ste::S1ContextPtr) & facts_.oas_mask();
  if (split == 0) {
    // A pointer that is not aligned to the table is taken as if it were.
    address = (pointer & ~mask_below(s1cdmax + 6)) + std::uint64_t{index} * 64;
    return true;
  }
  const std::uint32_t first = index >> split;
  const auto* l1 = l1cds_.find(key(sid, first));
  if (l1 == nullptr || l1->split != split) {
    const unsigned table_log2 = s1cdmax > split ? s1cdmax - split + 3 : 3;
    const std::uint64_t at = (pointer & ~mask_below(table_log2 < 6 ? 6 : table_log2)) + std::uint64_t{first} * 8;
    std::uint64_t pa = 0;
    Attributes attr;
    if (!to_pa(regime, ste, at, pa, attr, fault)) {
      return false;
    }
    L1CdOf fetched{{}, split};
    if (!fetch(pa, attr, fetched.value)) {
      fail(fault, EventType::F_CD_FETCH);
      fault.fetch = pa;
      return false;
    }
    l1 = &l1cds_.insert(key(sid, first), fetched);
  }
  const std::uint64_t table = l1->value.get(arch::L1Cd::L2Ptr);
  // 3.4.3: out of range, nested or not, is C_BAD_SUBSTREAMID.
  if (l1->value.get(arch::L1Cd::V) == 0 || (facts_.features.version != 0 && (table & ~facts_.oas_mask()) != 0)) {
    return fail(fault, EventType::C_BAD_SUBSTREAMID);
  }
  address = (table & facts_.oas_mask() & ~mask_below(split == 10 ? 16 : 12)) + (index & mask_below(split)) * 64;
  return true;
}

bool Configuration::find_cd(const Regime& regime, const Ste& ste, std::uint32_t sid, std::uint32_t index, arch::Cd& cd,
                            Fault& fault) {
  if (const auto* cached = cds_.find(key(sid, index)); cached != nullptr && cached->whole()) {
    cd = cached->value;
    return true;
  }
  std::uint64_t at = 0;
  std::uint64_t pa = 0;
  Attributes attr;
  if (!cd_address(regime, ste, sid, index, at, fault) || !to_pa(regime, ste, at, pa, attr, fault)) {
    return false;
  }
  if (!complete(cds_, key(sid, index), pa, attr, cd)) {
    fail(fault, EventType::F_CD_FETCH);
    fault.fetch = pa;
    return false;
  }
  return true;
}

} // namespace sluice::model

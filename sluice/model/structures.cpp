#include <sluice/model/configuration.hpp>
#include <sluice/model/faults.hpp>
#include <sluice/model/validity.hpp>

// Where the structures of a stream lie, and their way into the caches.
namespace sluice::model {

using arch::Ste;

namespace {

// 6.3.12 RECINVSID
bool bad_streamid(const LiveRegisters& registers, Place place, Fault& fault) {
  fail(fault, place);
  fault.record = registers.cr2.get(arch::CR2::RECINVSID) != 0;
  return false;
}

} // namespace

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
    const std::uint64_t where = (base & ~mask_below(table_log2 < 6 ? 6 : table_log2)) + std::uint64_t{index} * 8;
    L1StdOf fetched{{}, split};
    if (!fetch(where, table_attributes(registers.cr1), fetched.value)) {
      fail(fault, at("stream.l1std_fetch"));
      fault.fetch = where;
      return false;
    }
    l1 = &l1stds_.insert(key(index, split), fetched);
  }
  const auto span = static_cast<unsigned>(l1->value.get(arch::L1Std::Span));
  const auto within = static_cast<std::uint32_t>(sid & mask_below(split));
  // 5.1.1
  if (arch::l1std_entries(span) == 0) {
    return bad_streamid(registers, span == 0 ? at("stream.span_0") : at("stream.span_reserved"), fault);
  }
  if (span > split + 1) {
    return bad_streamid(registers, at("stream.span_split"), fault);
  }
  if (within >= arch::l1std_entries(span)) {
    return bad_streamid(registers, at("stream.span"), fault);
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
    return bad_streamid(registers, at("stream.table"), fault);
  }
  if (const auto* cached = stes_.find(sid); cached != nullptr && cached->whole()) {
    ste = cached->value;
    return true;
  }
  std::uint64_t where = 0;
  if (!ste_address(registers, sid, where, fault)) {
    return false;
  }
  if (!complete(stes_, sid, where, table_attributes(registers.cr1), ste)) {
    fail(fault, at("stream.ste_fetch"));
    fault.fetch = where;
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
    const std::uint64_t where = (pointer & ~mask_below(table_log2 < 6 ? 6 : table_log2)) + std::uint64_t{first} * 8;
    std::uint64_t pa = 0;
    Attributes attr;
    if (!to_pa(regime, ste, where, pa, attr, fault)) {
      return false;
    }
    L1CdOf fetched{{}, split};
    if (!fetch(pa, attr, fetched.value)) {
      fail(fault, at("substream.l1cd_fetch"));
      fault.fetch = pa;
      return false;
    }
    l1 = &l1cds_.insert(key(sid, first), fetched);
  }
  const std::uint64_t table = l1->value.get(arch::L1Cd::L2Ptr);
  if (l1->value.get(arch::L1Cd::V) == 0) {
    return fail(fault, at("substream.l1cd"));
  }
  // 3.4.3: nested or not
  if (facts_.features.version != 0 && (table & ~facts_.oas_mask()) != 0) {
    return fail(fault, at("substream.l2ptr"));
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
  std::uint64_t where = 0;
  std::uint64_t pa = 0;
  Attributes attr;
  if (!cd_address(regime, ste, sid, index, where, fault) || !to_pa(regime, ste, where, pa, attr, fault)) {
    return false;
  }
  if (!complete(cds_, key(sid, index), pa, attr, cd)) {
    fail(fault, at("substream.cd_fetch"));
    fault.fetch = pa;
    return false;
  }
  return true;
}

} // namespace sluice::model

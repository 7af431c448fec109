#include "walk.hpp"

#include <sluice/arch/l1.hpp>

namespace sluice::fuzz::reference {

using arch::EventClass;
using arch::EventType;
using arch::Ste;

namespace {

template <class S>
bool fetch(Way& way, Word what, const Reached& at, S& structure) {
  for (unsigned i = 0; i < S::word_count; ++i) {
    const auto word = way.read({what, at.address + 8 * i, 0, 0, false, EventClass::in, on_bus(at.type, false, true)});
    if (!word) {
      return false;
    }
    structure.w[i] = *word;
  }
  return true;
}

} // namespace

// 3.3.1, 5.1, 6.3.25
Found find_ste(Way& way, std::uint32_t stream) {
  const Registers& r = way.r;
  const Refusal bad{EventType::C_BAD_STREAMID, r.cr2.get(arch::CR2::RECINVSID) != 0};
  const auto log2size = static_cast<unsigned>(r.cfg.get(arch::STRTAB_BASE_CFG::LOG2SIZE));
  const auto sidsize = static_cast<unsigned>(r.idr1.get(arch::IDR1::SIDSIZE));
  if ((stream & ~below(log2size < sidsize ? log2size : sidsize)) != 0) {
    return bad;
  }
  const std::uint64_t base = r.base.get(arch::STRTAB_BASE::ADDR) & below(oas(r));
  const Type type = of_table(r.cr1);
  std::uint64_t at = 0;
  if (r.idr0.get(arch::IDR0::ST_LEVEL) == arch::StLevel::two_level &&
      r.cfg.get(arch::STRTAB_BASE_CFG::FMT) == arch::StreamTableFormat::two_level) {
    const auto asked = r.cfg.get(arch::STRTAB_BASE_CFG::SPLIT);
    const unsigned split = asked == 8 || asked == 10 ? static_cast<unsigned>(asked) : 6;
    const unsigned table = log2size > split + 3 ? log2size - split + 3 : 6;
    const std::uint64_t l1 = (base & ~below(table)) + std::uint64_t{stream >> split} * 8;
    const auto word = way.read({Word::l1std, l1, 0, 0, false, EventClass::in, on_bus(type, false, true)});
    if (!word) {
      return Refusal{EventType::F_STE_FETCH, true, l1};
    }
    const unsigned span = *word & 0x1f;
    const std::uint64_t within = stream & below(split);
    if (span == 0 || span > 11 || span > split + 1 || within >= 1ULL << (span - 1)) {
      return bad;
    }
    at = (*word & below(56) & ~below(6) & below(oas(r)) & ~below(5 + span)) + within * 64;
  } else {
    at = (base & ~below(log2size + 6)) + std::uint64_t{stream} * 64;
  }
  if (!fetch(way, Word::ste, {at, type}, way.ste)) {
    return Refusal{EventType::F_STE_FETCH, true, at};
  }
  return std::nullopt;
}

// 5.2 S1Fmt, 5.3. Addresses are IPAs when there is a stage 2.
CdFound find_cd(Way& way, std::uint32_t index) {
  const Ste& s = way.ste;
  const Registers& r = way.r;
  const auto to_pa = [&](std::uint64_t address, Reached& pa) -> Verdict {
    pa = {address, of_cd(s)};
    return translates2(s) ? stage2(way, address, {EventClass::cd, false, false, true}, pa) : std::nullopt;
  };
  const unsigned bits = s1cdmax(r, s);
  const auto format = s.get(Ste::S1Fmt);
  const unsigned split = bits == 0                                 ? 0
                         : format == arch::S1Format::two_level_4k  ? 6
                         : format == arch::S1Format::two_level_64k ? 10
                                                                   : 0;
  const std::uint64_t pointer = s.get(Ste::S1ContextPtr) & below(oas(r));
  std::uint64_t at = 0;
  if (split == 0) {
    at = (pointer & ~below(bits + 6)) + std::uint64_t{index} * 64;
  } else {
    const unsigned table = bits > split + 3 ? bits - split + 3 : 6;
    const std::uint64_t l1 = (pointer & ~below(table)) + std::uint64_t{index >> split} * 8;
    Reached pa;
    if (const auto fault = to_pa(l1, pa)) {
      return {{}, fault};
    }
    const auto word = way.read({Word::l1cd, pa.address, 0, 0, false, EventClass::in, on_bus(pa.type, false, true)});
    if (!word) {
      return {Refusal{EventType::F_CD_FETCH, true, pa.address}, {}};
    }
    const std::uint64_t l2 = *word & below(56) & ~below(12);
    // 3.4.3: beyond OAS is C_BAD_SUBSTREAMID, but v3.0 may cut.
    if ((*word & 1) == 0 || (version(r) != 0 && (l2 & ~below(oas(r))) != 0)) {
      return {Refusal{EventType::C_BAD_SUBSTREAMID}, {}};
    }
    at = (l2 & below(oas(r)) & ~below(split + 6)) + (index & below(split)) * 64;
  }
  Reached pa;
  if (const auto fault = to_pa(at, pa)) {
    return {{}, fault};
  }
  if (!fetch(way, Word::cd, pa, way.cd)) {
    return {Refusal{EventType::F_CD_FETCH, true, pa.address}, {}};
  }
  if (illegal(r, s, way.cd, way.world)) {
    return {Refusal{EventType::C_BAD_CD}, {}};
  }
  return {};
}

} // namespace sluice::fuzz::reference

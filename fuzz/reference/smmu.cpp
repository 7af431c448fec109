#include "walk.hpp"

#include <sluice/arch/l1.hpp>

namespace sluice::fuzz::reference {

using arch::Cd;
using arch::Event;
using arch::EventClass;
using arch::EventType;
using arch::Ste;

namespace {

// What a configuration look-up ends with: an event, or nothing but the abort.
struct Refusal {
  EventType type{};
  bool recorded{true};
  std::uint64_t fetch{};
};
using Found = std::optional<Refusal>; // no value: found

template <class S>
bool fetch(Way& way, Word what, std::uint64_t at, S& structure) {
  for (unsigned i = 0; i < S::word_count; ++i) {
    const auto word = way.read({what, at + 8 * i, 0, 0, false, EventClass::in});
    if (!word) {
      return false;
    }
    structure.w[i] = *word;
  }
  return true;
}

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
  std::uint64_t at = 0;
  if (r.idr0.get(arch::IDR0::ST_LEVEL) == arch::StLevel::two_level &&
      r.cfg.get(arch::STRTAB_BASE_CFG::FMT) == arch::StreamTableFormat::two_level) {
    const auto asked = r.cfg.get(arch::STRTAB_BASE_CFG::SPLIT);
    const unsigned split = asked == 8 || asked == 10 ? static_cast<unsigned>(asked) : 6;
    const unsigned table = log2size > split + 3 ? log2size - split + 3 : 6;
    const std::uint64_t l1 = (base & ~below(table)) + std::uint64_t{stream >> split} * 8;
    const auto word = way.read({Word::l1std, l1, 0, 0, false, EventClass::in});
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
  if (!fetch(way, Word::ste, at, way.ste)) {
    return Refusal{EventType::F_STE_FETCH, true, at};
  }
  return std::nullopt;
}

struct CdFound {
  Found refused{};
  Verdict fault{};
};

// 5.2 S1Fmt, 5.3. Addresses are IPAs when there is a stage 2.
CdFound find_cd(Way& way, std::uint32_t index) {
  const Ste& s = way.ste;
  const Registers& r = way.r;
  const auto to_pa = [&](std::uint64_t address, std::uint64_t& pa) -> Verdict {
    pa = address;
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
    std::uint64_t pa = 0;
    if (const auto fault = to_pa(l1, pa)) {
      return {{}, fault};
    }
    const auto word = way.read({Word::l1cd, pa, 0, 0, false, EventClass::in});
    if (!word) {
      return {Refusal{EventType::F_CD_FETCH, true, pa}, {}};
    }
    const std::uint64_t l2 = *word & below(56) & ~below(12);
    // 3.4.3: beyond OAS is C_BAD_SUBSTREAMID, but v3.0 may cut.
    if ((*word & 1) == 0 || (version(r) != 0 && (l2 & ~below(oas(r))) != 0)) {
      return {Refusal{EventType::C_BAD_SUBSTREAMID}, {}};
    }
    at = (l2 & below(oas(r)) & ~below(split + 6)) + (index & below(split)) * 64;
  }
  std::uint64_t pa = 0;
  if (const auto fault = to_pa(at, pa)) {
    return {{}, fault};
  }
  if (!fetch(way, Word::cd, pa, way.cd)) {
    return {Refusal{EventType::F_CD_FETCH, true, pa}, {}};
  }
  if (illegal(r, s, way.cd, way.world)) {
    return {Refusal{EventType::C_BAD_CD}, {}};
  }
  return {};
}

// 7.3
Event record(EventType type, const Access& a) {
  Event e;
  e.set(Event::Type, type).set(Event::StreamID, a.stream);
  if (type == EventType::F_STREAM_DISABLED) {
    return e;
  }
  if (a.substream) {
    e.set(Event::SubstreamID, *a.substream).set(Event::SSV, type != EventType::C_BAD_SUBSTREAMID);
  }
  return e;
}

void refuse(Answer& answer, const Access& a, const Refusal& why) {
  answer.response = Response::aborted;
  answer.cause = why.type;
  if (why.recorded) {
    answer.event = record(why.type, a).set(Event::FetchAddr, why.fetch & Event::FetchAddr.mask);
  }
}

// 5.5, 7.3.12 - 7.3.16
void fault(Way& way, const Access& a, const Fault& f) {
  Event e = record(f.type, a);
  e.set(Event::InputAddr, a.address).set(Event::RnW, !way.write).set(Event::InD, way.instruction);
  e.set(Event::PnU, way.privileged).set(Event::CLASS, f.why).set(Event::S2, f.stage2);
  Answer& answer = way.answer;
  answer.response = Response::aborted;
  answer.cause = f.type;
  if (f.type == EventType::F_WALK_EABT) {
    answer.event = e.set(Event::FetchAddr, f.fetch & Event::FetchAddr.mask);
    return;
  }
  if (f.stage2) {
    e.set(Event::IPA, f.ipa & Event::IPA.mask);
  }
  if (f.type == EventType::F_PERMISSION && f.why == EventClass::ttd) {
    e.set(Event::TTRnW, !f.update);
  }
  const bool stall = (f.stage2 ? way.ste.get(Ste::S2S) : way.cd.get(Cd::S)) != 0;
  const bool recorded = stall || (f.stage2 ? way.ste.get(Ste::S2R) : way.cd.get(Cd::R)) != 0;
  if (stall) {
    answer.response = Response::stalled;
    e.set(Event::Stall, 1);
  } else if (!f.stage2 && way.cd.get(Cd::A) == 0) {
    answer.response = Response::zeroed;
  }
  if (recorded) {
    answer.event = e;
  }
}

// 3.4: an address that a bypass of stage 1 does not take. There is no CD whose A, R and S could count.
bool beyond_bypass(Way& way, const Access& a) {
  if ((a.address & ~below(oas(way.r))) == 0) {
    return false;
  }
  way.cd = {};
  way.cd.set(Cd::A, 1).set(Cd::R, 1);
  fault(way, a, {EventType::F_ADDR_SIZE});
  return true;
}

// 6.3.14
void without_smmu(const Registers& r, const Access& a, Answer& answer) {
  if (r.gbpa.get(arch::GBPA::ABORT) != 0 || (a.address & ~below(oas(r))) != 0) {
    answer.response = Response::aborted;
  } else {
    answer.pa = a.address;
  }
}

// 5.2 PRIVCFG, INSTCFG
void override_rights(Way& way, const Access& a) {
  const bool overrides = way.r.idr1.get(arch::IDR1::ATTR_PERMS_OVR) != 0;
  const auto privilege = overrides ? way.ste.get(Ste::PRIVCFG) : arch::PrivilegeOverride::incoming;
  const auto instruction = overrides ? way.ste.get(Ste::INSTCFG) : arch::InstructionOverride::incoming;
  way.write = a.write;
  way.privileged = privilege == arch::PrivilegeOverride::privileged     ? true
                   : privilege == arch::PrivilegeOverride::unprivileged ? false
                                                                        : a.privileged;
  way.instruction = !a.write && (instruction == arch::InstructionOverride::instruction ? true
                                 : instruction == arch::InstructionOverride::data      ? false
                                                                                       : a.instruction);
}

// The translation itself, with the updates of descriptors that it comes to.
void walk(Way& way, const Access& a, bool skip1, bool skip2) {
  Answer& answer = way.answer;
  std::uint64_t address = a.address;
  std::optional<Update> update;
  if (!skip1) {
    if (const auto f = stage1(way, a.address, address, update)) {
      fault(way, a, *f);
      return;
    }
  }
  if (!skip2) {
    std::uint64_t pa = 0;
    if (const auto f = stage2(way, address, {EventClass::in, way.write, way.instruction, way.privileged}, pa)) {
      fault(way, a, *f);
      return;
    }
    address = pa;
  }
  if (update) {
    if (!skip2) {
      std::uint64_t pa = 0;
      if (auto f = stage2(way, update->at_ipa, {EventClass::ttd, true, false, true}, pa)) {
        f->update = true;
        fault(way, a, *f);
        return;
      }
    }
    answer.writes[update->at] = update->after;
  }
  answer.pa = address;
}

} // namespace

Answer translate(const Registers& r, const Memory& memory, const Access& a) {
  Answer answer;
  if (r.cr0.get(arch::CR0::SMMUEN) == 0) {
    without_smmu(r, a, answer);
    return answer;
  }
  Way way{r, memory, answer};
  // 7.3.22, in its order
  if (const auto refused = find_ste(way, a.stream)) {
    refuse(answer, a, *refused);
    return answer;
  }
  const Ste& s = way.ste;
  if (illegal(r, s)) {
    refuse(answer, a, {EventType::C_BAD_STE});
    return answer;
  }
  if ((static_cast<unsigned>(s.get(Ste::Config)) & 4) == 0) {
    answer.response = Response::aborted;
    return answer;
  }
  answer.may_be_illegal = r.reserved_bits_illegal && may_be_illegal(r, s);
  way.world = answer.world = world_of(r, s);
  override_rights(way, a);
  const unsigned cds = s1cdmax(r, s);
  if (a.substream && (cds == 0 || (*a.substream & ~below(cds)) != 0)) {
    refuse(answer, a, {EventType::C_BAD_SUBSTREAMID});
    return answer;
  }
  const auto dss = s.get(Ste::S1DSS);
  if (cds != 0 && ((!a.substream && dss != arch::S1Dss::bypass && dss != arch::S1Dss::cd0) ||
                   (a.substream == 0U && dss == arch::S1Dss::cd0))) {
    refuse(answer, a, {EventType::F_STREAM_DISABLED});
    return answer;
  }
  answer.stage1 = translates1(s) && !(cds != 0 && !a.substream && dss == arch::S1Dss::bypass);
  answer.stage2 = translates2(s);
  answer.vmid = static_cast<std::uint16_t>(s.get(Ste::S2VMID));
  if (!answer.stage1 && beyond_bypass(way, a)) {
    return answer;
  }
  if (answer.stage1) {
    const CdFound found = find_cd(way, a.substream.value_or(0));
    if (found.refused) {
      refuse(answer, a, *found.refused);
      return answer;
    }
    if (found.fault) {
      fault(way, a, *found.fault);
      return answer;
    }
    answer.may_be_illegal = answer.may_be_illegal || (r.reserved_bits_illegal && may_be_illegal(r, way.cd));
    answer.asid = static_cast<std::uint16_t>(way.cd.get(Cd::ASID));
  }
  walk(way, a, !answer.stage1, !answer.stage2);
  return answer;
}

} // namespace sluice::fuzz::reference

#include "walk.hpp"

namespace sluice::fuzz::reference {

using arch::Cd;
using arch::Event;
using arch::EventClass;
using arch::EventType;
using arch::Ste;

namespace {

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
End end_of(const Way& way, const Access& a, const Fault& f) {
  Event e = record(f.type, a);
  e.set(Event::InputAddr, a.address).set(Event::RnW, !way.write).set(Event::InD, way.instruction);
  e.set(Event::PnU, way.privileged).set(Event::CLASS, f.why).set(Event::S2, f.stage2);
  End end{Response::aborted, f.type, {}};
  if (f.type == EventType::F_WALK_EABT) {
    end.event = e.set(Event::FetchAddr, f.fetch & Event::FetchAddr.mask);
    return end;
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
    end.response = Response::stalled;
    e.set(Event::Stall, 1);
  } else if (!f.stage2 && way.cd.get(Cd::A) == 0) {
    end.response = Response::zeroed;
  }
  if (recorded) {
    end.event = e;
  }
  return end;
}

void fault(Way& way, const Access& a, const Fault& f) { static_cast<End&>(way.answer) = end_of(way, a, f); }

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

// 5.2, 6.3.14 PRIVCFG, INSTCFG
bool privileged(const Registers& r, const Access& a, arch::PrivilegeOverride privilege) {
  if (r.idr1.get(arch::IDR1::ATTR_PERMS_OVR) == 0) {
    return a.privileged;
  }
  return privilege == arch::PrivilegeOverride::privileged     ? true
         : privilege == arch::PrivilegeOverride::unprivileged ? false
                                                              : a.privileged;
}
bool instruction(const Registers& r, const Access& a, arch::InstructionOverride instruction) {
  if (a.write || r.idr1.get(arch::IDR1::ATTR_PERMS_OVR) == 0) {
    return !a.write && a.instruction;
  }
  return instruction == arch::InstructionOverride::instruction ? true
         : instruction == arch::InstructionOverride::data      ? false
                                                               : a.instruction;
}

// 6.3.14
void without_smmu(const Registers& r, const Access& a, Answer& answer) {
  if (r.gbpa.get(arch::GBPA::ABORT) != 0 || (a.address & ~below(oas(r))) != 0) {
    answer.response = Response::aborted;
  } else {
    answer.pa = a.address;
    answer.attributes = on_bus(incoming(r, r.gbpa), instruction(r, a, r.gbpa.get(arch::GBPA::INSTCFG)),
                               privileged(r, a, r.gbpa.get(arch::GBPA::PRIVCFG)));
  }
}

// The translation itself, with the updates of descriptors that it comes to.
void walk(Way& way, const Access& a) {
  Answer& answer = way.answer;
  Reached reached{a.address, incoming(way.r, way.ste)};
  std::optional<Update> update;
  if (answer.tags.stage1) {
    if (const auto f = stage1(way, a.address, reached, update)) {
      fault(way, a, *f);
      return;
    }
  }
  // The update of a stage 1 descriptor is a write of its own at stage 2.
  const auto updating = [&]() -> Verdict {
    if (!update || !answer.tags.stage2) {
      return std::nullopt;
    }
    Reached table{update->at_ipa, update->type};
    auto f = stage2(way, update->at_ipa, {EventClass::ttd, true, false, true}, table);
    if (f) {
      f->update = true;
    }
    return f;
  };
  if (answer.tags.stage2) {
    if (const auto f =
            stage2(way, reached.address, {EventClass::in, way.write, way.instruction, way.privileged}, reached)) {
      fault(way, a, *f);
      if (const auto other = updating()) { // DDI 0487 D8.5 R_LXCKP: either may be reported
        answer.instead = end_of(way, a, *other);
      }
      return;
    }
  }
  if (const auto f = updating()) {
    fault(way, a, *f);
    return;
  }
  if (update) {
    answer.writes[update->at] = update->after;
  }
  answer.pa = reached.address;
  answer.attributes = on_bus(reached.type, way.instruction, way.privileged);
}

// 7.3.22, in its order, up to C_BAD_CD. False: that was all.
bool configure(Way& way, const Access& a) {
  const Registers& r = way.r;
  Answer& answer = way.answer;
  if (const auto refused = find_ste(way, a.stream)) {
    refuse(answer, a, *refused);
    return false;
  }
  const Ste& s = way.ste;
  if (illegal(r, s)) {
    refuse(answer, a, {EventType::C_BAD_STE});
    return false;
  }
  if ((static_cast<unsigned>(s.get(Ste::Config)) & 4) == 0) {
    answer.response = Response::aborted;
    return false;
  }
  answer.may_be_illegal = r.reserved_bits_illegal && may_be_illegal(r, s);
  answer.eats = s.get(Ste::EATS);
  way.world = answer.tags.world = world_of(r, s);
  way.write = a.write;
  way.privileged = privileged(r, a, s.get(Ste::PRIVCFG));
  way.instruction = instruction(r, a, s.get(Ste::INSTCFG));
  const unsigned cds = s1cdmax(r, s);
  if (a.substream && (cds == 0 || (*a.substream & ~below(cds)) != 0)) {
    refuse(answer, a, {EventType::C_BAD_SUBSTREAMID});
    return false;
  }
  const auto dss = s.get(Ste::S1DSS);
  if (cds != 0 && ((!a.substream && dss != arch::S1Dss::bypass && dss != arch::S1Dss::cd0) ||
                   (a.substream == 0U && dss == arch::S1Dss::cd0))) {
    refuse(answer, a, {EventType::F_STREAM_DISABLED});
    return false;
  }
  answer.tags.stage1 = translates1(s) && !(cds != 0 && !a.substream && dss == arch::S1Dss::bypass);
  answer.tags.stage2 = translates2(s);
  answer.tags.vmid = static_cast<std::uint16_t>(r.idr0.get(arch::IDR0::S2P) != 0 ? s.get(Ste::S2VMID) : 0);
  if (!answer.tags.stage1 && beyond_bypass(way, a)) {
    return false;
  }
  note_stage2(answer, s);
  if (answer.tags.stage1) {
    const CdFound found = find_cd(way, a.substream.value_or(0));
    if (found.refused) {
      refuse(answer, a, *found.refused);
      return false;
    }
    if (found.fault) {
      fault(way, a, *found.fault);
      return false;
    }
    answer.may_be_illegal = answer.may_be_illegal || (r.reserved_bits_illegal && may_be_illegal(r, way.cd));
    note_stage1(answer, way.cd);
  }
  return true;
}

} // namespace

std::optional<std::vector<Tags>> tags_of(const Registers& r, const Memory& memory, std::uint32_t stream) {
  constexpr unsigned most = 11; // log2
  std::vector<Tags> all;
  const auto add = [&](std::optional<std::uint32_t> substream) {
    Answer answer;
    Way way{r, memory, answer};
    const bool all_found = configure(way, {stream, substream, 0, false, false, false});
    answer.tags.stage1 = answer.tags.stage1 && all_found; // stage 2 serves the fetch of a CD that is illegal, too
    answer.tags.global = true;
    if (answer.tags.stage1 || answer.tags.stage2) {
      all.push_back(answer.tags);
    }
    return s1cdmax(r, way.ste);
  };
  const unsigned bits = add(std::nullopt);
  if (bits > most) {
    return std::nullopt;
  }
  for (std::uint32_t index = 0; bits != 0 && index >> bits == 0; ++index) {
    add(index);
  }
  return all;
}

Answer translate(const Registers& r, const Memory& memory, const Access& a) {
  Answer answer;
  if (r.cr0.get(arch::CR0::SMMUEN) == 0) {
    without_smmu(r, a, answer);
    return answer;
  }
  Way way{r, memory, answer};
  if (configure(way, a)) {
    walk(way, a);
  }
  return answer;
}

} // namespace sluice::fuzz::reference

#include <sluice/differential/quirks.hpp>

namespace sluice::differential::quirk {

using arch::Event;
using arch::EventType;

namespace {

// Changes the record; false if there is none or if that changes nothing.
template <class Change>
bool change(Situation& s, Change change) {
  Seen seen = s.expected();
  if (seen.events.size() != 1) {
    return false;
  }
  const Event before = seen.events[0];
  change(seen.events[0]);
  if (seen.events[0] == before) {
    return false;
  }
  s.instead = seen;
  return true;
}

bool of_translation(const Event& e) {
  const auto type = e.get(Event::Type);
  return type >= EventType::F_TRANSLATION && type <= EventType::F_PERMISSION;
}

} // namespace

bool cd_fetch_address(Situation& s) {
  return change(s, [](Event& e) {
    if (e.get(Event::Type) == EventType::F_CD_FETCH) {
      e.w[2] = e.w[3];
      e.w[3] = 0;
    }
  });
}

bool no_class(Situation& s) {
  return change(s, [](Event& e) {
    if (of_translation(e)) {
      e.set(Event::CLASS, arch::EventClass::cd);
    }
  });
}

bool rnw_of_fetch(Situation& s) {
  return change(s, [](Event& e) {
    if ((of_translation(e) || e.get(Event::Type) == EventType::F_WALK_EABT) && e.get(Event::S2) != 0 &&
        e.get(Event::CLASS) == arch::EventClass::cd) {
      e.set(Event::RnW, 1);
    }
  });
}

// The rest of the IPA, which the model's record does not have, follows from where it came from.
bool ipa_offset(Situation& s) {
  return change(s, [&](Event& e) {
    if (!of_translation(e) || e.get(Event::S2) == 0) {
      return;
    }
    if (e.get(Event::CLASS) == arch::EventClass::in) {
      e.w[3] |= s.c.iova & 0xfff;
    } else if (e.get(Event::CLASS) == arch::EventClass::cd) {
      e.w[3] |= ste(s).get(arch::Ste::S1ContextPtr) & 0xfff;
    }
  });
}

} // namespace sluice::differential::quirk

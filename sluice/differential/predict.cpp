#include <sluice/differential/departures.hpp>

#include <algorithm>

namespace sluice::differential {

const Departure* fatal(Version version, const Case& c) {
  const auto all = departures();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Departure& d) {
    return d.kind == Departure::Kind::fatal && d.concerns(version) && d.ends(c);
  });
  return found == all.end() ? nullptr : &*found;
}

Prediction predict(Ours& ours, Version version, const model::Features& features, const Ram& ram, const Case& c,
                   const Answer& answer, const Overlay& overlay) {
  Situation s{c, ram, features, version, ours};
  s.overlay = overlay;
  s.answer = answer;
  Prediction p;
  const auto step = [&](Departure::Kind kind) {
    const auto applies = [&](const Departure& d) {
      return d.kind == kind && d.concerns(version) && std::find(p.used.begin(), p.used.end(), &d) == p.used.end() &&
             d.apply(s);
    };
    const auto all = departures();
    const auto next = std::find_if(all.begin(), all.end(), applies);
    if (next == all.end()) {
      return false;
    }
    p.used.push_back(&*next);
    return true;
  };
  // In their order, anew after each that applies; each once.
  while (!s.instead && step(Departure::Kind::outcome)) {
    if (!s.instead) {
      s.answer = ours.run(c, s.overlay);
    }
  }
  while (step(Departure::Kind::record)) {
  }
  p.seen = s.expected();
  p.unknowable = s.unknowable || (!s.instead && s.answer.strayed);
  return p;
}

} // namespace sluice::differential

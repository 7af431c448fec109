#pragma once

#include <sluice/model/regime.hpp>

// 5.5: what each stage's configuration makes of a fault of its translation.
namespace sluice::model {

inline bool fail(Fault& fault, Place place) {
  fault = Fault::of(place);
  return false;
}

// CD.A, R and S
inline Fault stage1_fault(Place place, const Stage1& s1) {
  Fault f = Fault::of(place);
  f.stall = s1.stall;
  f.record = s1.record || s1.stall;
  f.outcome = s1.abort ? Outcome::Kind::aborted : Outcome::Kind::zeroed;
  return f;
}

// STE.S2R and S2S; A is 1. An external abort is none of the faults that these are about.
inline Fault stage2_fault(Place place, const Stage2& s2, std::uint64_t ipa, arch::EventClass why) {
  Fault f = Fault::of(place);
  const bool external = place.event == arch::EventType::F_WALK_EABT;
  f.stage2 = true;
  f.event_class = why;
  f.ipa = ipa;
  f.stall = s2.stall && !external;
  f.record = s2.record || s2.stall || external;
  return f;
}

} // namespace sluice::model

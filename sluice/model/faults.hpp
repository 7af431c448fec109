#pragma once

#include <sluice/model/regime.hpp>

// 5.5: what each stage's configuration makes of a fault of its translation.
namespace sluice::model {

// CD.A, R and S
inline Fault stage1_fault(arch::EventType type, const Stage1& s1) {
  Fault f;
  f.event = type;
  f.stall = s1.stall;
  f.record = s1.record || s1.stall;
  f.outcome = s1.abort ? Outcome::Kind::aborted : Outcome::Kind::zeroed;
  return f;
}

// STE.S2R and S2S; A is 1. An external abort is none of the faults that these are about.
inline Fault stage2_fault(arch::EventType type, const Stage2& s2, std::uint64_t ipa, arch::EventClass why) {
  Fault f;
  f.event = type;
  f.stage2 = true;
  f.event_class = why;
  f.ipa = ipa;
  f.stall = s2.stall && type != arch::EventType::F_WALK_EABT;
  f.record = s2.record || s2.stall || type == arch::EventType::F_WALK_EABT;
  return f;
}

} // namespace sluice::model

#include "walk.hpp"

#include <algorithm>

namespace sluice::fuzz::reference {

using arch::Cd;
using arch::Ste;

// 5.2.1, 5.4.1: what is looked up with each transaction is in no TLB, and the tags are by themselves.
void note_stage2(Answer& answer, const Ste& s) {
  if (answer.tags.stage2) {
    Ste kept = s;
    kept.set(Ste::S2VMID, 0).set(Ste::S2S, 0).set(Ste::S2R, 0);
    answer.tags.ste = {s.get(Ste::S2FWB), kept.w[2], kept.w[3]};
  }
}

void note_stage1(Answer& answer, const Cd& c) {
  answer.tags.asid = static_cast<std::uint16_t>(c.get(Cd::ASID));
  answer.tags.aset = c.get(Cd::ASET) != 0;
  Cd kept = c;
  kept.set(Cd::ASID, 0).set(Cd::ASET, 0).set(Cd::A, 0).set(Cd::R, 0).set(Cd::S, 0);
  std::copy_n(kept.w.begin(), answer.tags.cd.size(), answer.tags.cd.begin());
}

// 3.17
bool clash(const Tags& a, const Tags& b) {
  if (a.world != b.world || !(a.stage1 || a.stage2) || !(b.stage1 || b.stage2)) {
    return false;
  }
  if (a.world == World::el1) {
    if (a.vmid != b.vmid) {
      return false;
    }
    if (a.stage2 != b.stage2 || a.ste != b.ste) {
      return true;
    }
  }
  if (!a.stage1 || !b.stage1 || a.cd == b.cd) {
    return false;
  }
  return a.world == World::el2 || a.asid == b.asid || (a.global && a.aset == b.aset);
}

} // namespace sluice::fuzz::reference

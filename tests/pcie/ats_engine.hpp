#pragma once

#include "ats_rig.hpp"

namespace sluice::pcie {

inline constexpr std::uint64_t at_iova = 0x40'0000;
inline constexpr std::uint64_t at_frame = 0x60'0000;

// An engine with an ATC, one page under it.
class AtsEngineTest : public testing::Test, public AtsEngine {
protected:
  AtsEngineTest() {
    rig.map(tree, at_iova, at_frame, model::test::s1_rw);
    rig.ram.put(at_frame, 0x11);
  }
  std::uint64_t value{};
  const model::PortCounters& counters() { return counters_ = rig.port->counters(); }
  model::PortCounters counters_;
};

} // namespace sluice::pcie

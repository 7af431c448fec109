#pragma once

#include "machine.hpp"

namespace sluice::test {

// A machine that runs, and what the STE of a StreamID is.
struct Attach : testing::Test {
  void SetUp() override { ASSERT_TRUE(m.start()); }
  arch::SteConfig config(StreamID sid) { return m.ste(sid)->get(arch::Ste::Config); }
  Machine m;
};

} // namespace sluice::test

#pragma once

#include "rig.hpp"

// 3.12.2, 4.7.1, 4.7.2, 5.5: transactions that wait for software.
namespace sluice::model::test {
using Kind = Outcome::Kind;
using arch::cmd::resume_retry;
using arch::cmd::resume_terminate;
using arch::cmd::stall_term;

inline Features stalling(unsigned most = 4, unsigned model = 0) {
  auto f = Rig::with_substreams();
  f.stall_model = model;
  f.stall_max = most;
  return f;
}

// Stream 1 stalls at stage 1: nothing is mapped but 0x5000.
struct Stalls : testing::Test {
  Stalls() : Stalls(stalling(), {}) {}
  explicit Stalls(const Features& f, const Knobs& k = {}) : rig{f, k}, stream{rig.stage1_stream(1)} {
    change_cd([](Cd&) {});
    page = rig.ram.alloc(4096);
    rig.ram.put(page, 0x77);
    rig.map(stream.tree, 0x5000, page, s1_rw);
  }
  void change_cd(auto change) {
    Cd cd = rig.cd(stream.tree).set(Cd::S, 1).set(Cd::R, 0);
    change(cd);
    rig.put(stream.cd_at, cd);
    rig.run({arch::cmd::cfgi_cd(1, 0, true)});
  }
  Outcome read(std::uint64_t address = 0x1000) { return rig.read(1, address, &value); }
  Outcome follow_up(const Outcome& o) { return rig.port->follow_up(o.stall, &value); }
  std::uint16_t stag(const Event& e) { return static_cast<std::uint16_t>(e.get(Event::STAG)); }
  // Stalls, and says with which STAG.
  std::uint16_t stalled(Outcome& o, std::uint64_t address = 0x1000) {
    o = read(address);
    EXPECT_EQ(o.kind, Kind::stalled);
    return stag(rig.event());
  }
  void fill_queue() {
    for (unsigned i = 0; i < 32; ++i) {
      rig.read(2, 0x1000); // C_BAD_STE
    }
  }

  Rig rig;
  Rig::Stage1Stream stream;
  std::uint64_t page{}, value{};
};

} // namespace sluice::model::test

#include "stalls.hpp"

#include <thread>

// Stalls, updates of descriptors and broadcasts beside command processing.
namespace sluice::model::test {
namespace {

constexpr unsigned pages = 64;

// Waits without an end of its own only for what another thread is bound to do.
template <class Done>
bool eventually(Done done) {
  for (unsigned i = 0; i < 50'000'000; ++i) {
    if (done()) {
      return true;
    }
    std::this_thread::yield();
  }
  return false;
}

TEST(StallThreads, EachStalledAccessOfTwoPortsIsServedOnceItsPageIsMapped) {
  Rig rig{stalling(3)}; // fewer STAGs than transactions
  const auto s = rig.stage1_stream(1);
  rig.put(s.cd_at, rig.cd(s.tree).set(Cd::S, 1));
  const auto page = rig.ram.alloc(4096);
  for (unsigned i = 0; i < pages; ++i) {
    rig.ram.put(rig.map(s.tree, 0x1'0000 + i * 0x1000, page, s1_rw), 0);
  }
  base::Atomic<std::uint32_t> served{0};
  base::Atomic<std::uint32_t> running{2};
  std::vector<std::jthread> clients;
  for (unsigned c = 0; c < 2; ++c) {
    clients.emplace_back([&, c] {
      Port port{*rig.smmu};
      std::uint64_t data = 0;
      for (unsigned i = 0; i < pages; i += 4) {
        std::uint16_t stall[4]{};
        for (unsigned j = 0; j < 4; ++j) {
          const auto o =
              port.access({1, {}, 0x1'0000 + ((i + j + c * 32) % pages) * 0x1000, 8, false, false, false}, &data);
          stall[j] = o.stall;
          served.fetch_add(o.served() ? 1 : 0);
        }
        for (const auto number : stall) {
          EXPECT_TRUE(number == 0 ||
                      eventually([&] { return port.follow_up(number, &data).kind != Outcome::Kind::stalled; }));
          served.fetch_add(number != 0 ? 1 : 0);
        }
      }
      running.fetch_sub(1);
    });
  }
  // The driver maps what an event asks for and resumes.
  std::uint32_t taken = 0;
  EXPECT_TRUE(eventually([&] {
    for (const auto& e : rig.events()) {
      rig.map(s.tree, e.get(Event::InputAddr), page, s1_rw);
      rig.submit(arch::cmd::resume_retry(1, static_cast<std::uint16_t>(e.get(Event::STAG))));
      rig.submit(arch::cmd::sync());
      EXPECT_TRUE(eventually([&] { return rig.drained(); }));
      ++taken;
    }
    return running.load() == 0;
  }));
  clients.clear();
  EXPECT_EQ(served.load(), 2 * pages);
  EXPECT_GE(taken, pages);
}

TEST(HttuThreads, NoUpdateOfTwoPortsIsLostOrTouchesOtherBits) {
  auto f = Rig::with_substreams();
  f.httu = 2;
  Rig rig{f};
  const auto s = rig.stage1_stream(1);
  rig.put(s.cd_at, rig.cd(s.tree).set(Cd::HA, 1).set(Cd::HD, 1));
  const auto page = rig.ram.alloc(4096);
  constexpr std::uint64_t clean = (s1_ro | 1ULL << 51) & ~(1ULL << 10); // DBM, AF 0
  std::vector<std::uint64_t> at;
  for (unsigned i = 0; i < pages; ++i) {
    at.push_back(rig.map(s.tree, 0x1'0000 + i * 0x1000, page, clean));
  }
  std::vector<std::jthread> clients;
  for (unsigned c = 0; c < 2; ++c) {
    clients.emplace_back([&, c] {
      Port port{*rig.smmu};
      for (unsigned i = 0; i < pages; ++i) {
        std::uint64_t data = i;
        EXPECT_TRUE(
            port.access({1, {}, 0x1'0000 + i * 0x1000 + c * 8, 8, c == 0 || i % 2 == 0, false, false}, &data).served());
      }
    });
  }
  clients.clear();
  for (const auto a : at) {
    EXPECT_EQ(rig.ram.get(a), page | (clean & ~(1ULL << 7)) | 1ULL << 10 | 3);
  }
}

TEST(BroadcastThreads, WhatADVMSyncHasRetiredIsNotRead) {
  auto f = Rig::with_substreams();
  f.btm = true;
  Rig rig{f};
  const auto s = rig.stage1_stream(1);
  const std::uint64_t at[2] = {rig.ram.alloc(4096), rig.ram.alloc(4096)};
  constexpr std::uint64_t good = 0x600d, poison = 0xbad;
  rig.ram.put(at[0], good);
  rig.map(s.tree, 0x1000, at[0], s1_rw);
  base::Atomic<bool> stop{false};
  base::Atomic<std::uint64_t> wrong{0};
  base::Atomic<std::uint64_t> served{0};
  std::vector<std::jthread> clients;
  for (unsigned c = 0; c < 2; ++c) {
    clients.emplace_back([&] {
      Port port{*rig.smmu};
      while (!stop.load()) {
        std::uint64_t data = 0;
        const auto o = port.access({1, {}, 0x1000, 8, false, false, false}, &data);
        wrong.fetch_add(!o.served() || data != good ? 1 : 0);
        served.fetch_add(1);
      }
    });
  }
  for (unsigned i = 1; i <= 100 || served.load() < 500; ++i) {
    rig.ram.put(at[i % 2], good);
    rig.map(s.tree, 0x1000, at[i % 2], s1_rw);
    rig.smmu->broadcast(arch::cmd::tlbi_nh_va(0, 1, 0x1000, true));
    const auto number = rig.smmu->dvm_sync();
    EXPECT_TRUE(eventually([&] { return rig.smmu->dvm_synced(number); }));
    rig.ram.put(at[(i + 1) % 2], poison);
  }
  stop.store(true);
  clients.clear();
  EXPECT_EQ(wrong.load(), 0U);
}

} // namespace
} // namespace sluice::model::test

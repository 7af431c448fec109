#include "rig.hpp"

#include <thread>

namespace sluice::model::test {
namespace {

using namespace arch::cmd;

// A driver's thread: submits and waits by polling CONS.
struct Driver {
  explicit Driver(Rig& r) : rig{r} {}
  void run(const Command& c) {
    rig.submit(c);
    rig.submit(sync());
    while (!rig.drained()) {
      std::this_thread::yield();
    }
  }
  Rig& rig;
};

// Two ports read one IOVA in a loop. A third thread moves it from page to page: new page prepared, descriptor written,
// TLBI, SYNC, then the old page is poisoned. Nobody may read poison that came after.
template <class Traffic>
void nobody_reads_what_a_sync_has_retired(Traffic traffic, const Adversary& adversary = {}) {
  Rig rig{Rig::with_substreams(), {.adversary = adversary}};
  const auto s = rig.stage1_stream(1);
  const std::uint64_t pages[2] = {rig.ram.alloc(4096), rig.ram.alloc(4096)};
  constexpr std::uint64_t good = 0x600d, poison = 0xbad;
  rig.ram.put(pages[0], good);
  const auto descriptor = rig.map(s.tree, 0x1000, pages[0], s1_rw);
  const auto attributes = s1_rw | 3;

  base::Atomic<bool> stop{false};
  base::Atomic<std::uint64_t> wrong{0};
  base::Atomic<std::uint64_t> served{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      Port port{*rig.smmu};
      while (!stop.load()) {
        traffic(port, [&](auto& access) {
          std::uint64_t data = 0;
          const Outcome o = access.access({1, {}, 0x1000, 8, false, false, false}, &data);
          wrong.fetch_add(!o.served() || data != good ? 1 : 0);
          served.fetch_add(1);
        });
      }
    });
  }
  Driver driver{rig};
  for (std::uint64_t i = 1; i <= 150 || served.load() < 1000; ++i) {
    const auto now = pages[i % 2];
    const auto before = pages[(i + 1) % 2];
    rig.ram.put(now, good);
    rig.ram.put(descriptor, now | attributes);
    driver.run(tlbi_nh_va(0, 1, 0x1000, true));
    rig.ram.put(before, poison);
  }
  stop.store(true);
  threads.clear();
  EXPECT_EQ(wrong.load(), 0U);
}

TEST(PortThreads, NobodyReadsWhatASYNCHasRetiredByBursts) {
  nobody_reads_what_a_sync_has_retired([](Port& port, auto access) {
    Port::Burst burst{port};
    for (int i = 0; i < 50; ++i) {
      access(burst);
    }
  });
}

TEST(PortThreads, NobodyReadsWhatASYNCHasRetiredBySingleAccesses) {
  nobody_reads_what_a_sync_has_retired([](Port& port, auto access) { access(port); });
}

TEST(PortThreads, NobodyReadsWhatASYNCHasRetiredFromAnSMMUThatDoesWhatItMay) {
  const auto traffic = [](Port& port, auto access) {
    Port::Burst burst{port};
    for (int i = 0; i < 50; ++i) {
      access(burst);
    }
  };
  nobody_reads_what_a_sync_has_retired(traffic, {.prefetch = true, .any_order = true, .partial = true, .late = true});
}

// The same for a write: after the SYNC nobody writes to the old page.
TEST(PortThreads, NobodyWritesToWhatASYNCHasRetired) {
  Rig rig;
  const auto s = rig.stage1_stream(1);
  const std::uint64_t pages[2] = {rig.ram.alloc(4096), rig.ram.alloc(4096)};
  const auto descriptor = rig.map(s.tree, 0x1000, pages[0], s1_rw);
  base::Atomic<bool> stop{false};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      Port port{*rig.smmu};
      while (!stop.load()) {
        std::uint64_t data = 0x77;
        port.access({1, {}, 0x1000, 8, true, false, false}, &data);
      }
    });
  }
  Driver driver{rig};
  unsigned wrong = 0;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    rig.ram.put(descriptor, pages[i % 2] | s1_rw | 3);
    driver.run(tlbi_nh_va(0, 1, 0x1000, true));
    rig.ram.put(pages[(i + 1) % 2], 0);
    std::this_thread::yield();
    wrong += rig.ram.get(pages[(i + 1) % 2]) != 0 ? 1 : 0;
  }
  stop.store(true);
  threads.clear();
  EXPECT_EQ(wrong, 0U);
}

TEST(PortThreads, SMMUENOffIsAcknowledgedOnlyWhenNobodyTranslates) {
  Rig rig;
  const auto s = rig.stage1_stream(1);
  const auto page = rig.ram.alloc(4096);
  rig.map(s.tree, 0x3000, page, s1_rw);
  base::Atomic<bool> stop{false};
  base::Atomic<std::uint64_t> phase{0}; // odd: off, and acknowledged
  base::Atomic<std::uint64_t> wrong{0};
  std::jthread traffic{[&] {
    Port port{*rig.smmu};
    while (!stop.load()) {
      Port::Burst burst{port};
      for (int i = 0; i < 20; ++i) {
        const auto before = phase.load();
        const auto t = burst.translate({1, {}, 0x3000, 1, false, false, false});
        if (before % 2 == 1 && phase.load() == before && t.address != 0x3000) {
          wrong.fetch_add(1);
        }
      }
    }
  }};
  for (int i = 0; i < 100; ++i) {
    rig.w32<arch::CR0>(0xc);
    while ((rig.r32<arch::CR0ACK>() & 1) != 0) {
      std::this_thread::yield();
    }
    phase.fetch_add(1);
    std::this_thread::yield();
    phase.fetch_add(1);
    rig.w32<arch::CR0>(0xd);
    while ((rig.r32<arch::CR0ACK>() & 1) == 0) {
      std::this_thread::yield();
    }
  }
  stop.store(true);
  traffic.join();
  EXPECT_EQ(wrong.load(), 0U);
}

TEST(PortThreads, EventsOfManyPortsAreAllRecorded) {
  Features f;
  f.eventq_log2 = 14;
  Rig rig{f, {}, false};
  rig.eventq_log2 = 13;
  rig.eventq = rig.ram.alloc(32ULL << 13, 32ULL << 13);
  rig.w64<arch::EVENTQ_BASE>(rig.eventq | 13);
  rig.w32<arch::CR0>(0xd);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t sid = 1; sid <= 3; ++sid) {
      threads.emplace_back([&rig, sid] {
        Port port{*rig.smmu};
        std::uint64_t data = 0;
        for (int i = 0; i < 1000; ++i) {
          port.access({sid, {}, 0, 8, false, false, false}, &data);
        }
      });
    }
  }
  unsigned count[4]{};
  for (const auto& e : rig.events()) {
    EXPECT_EQ(e.get(Event::Type), EventType::C_BAD_STE);
    ++count[e.get(Event::StreamID) & 3];
  }
  EXPECT_EQ(count[1], 1000U);
  EXPECT_EQ(count[2], 1000U);
  EXPECT_EQ(count[3], 1000U);
}

TEST(PortThreads, PortsComeAndGoWhileCommandsRun) {
  Rig rig;
  rig.put_ste(1, rig.bypass_ste());
  base::Atomic<bool> stop{false};
  std::jthread traffic{[&] {
    while (!stop.load()) {
      Port port{*rig.smmu};
      port.translate({1, {}, 0x1000, 1, false, false, false});
    }
  }};
  Driver driver{rig};
  for (int i = 0; i < 300; ++i) {
    driver.run(cfgi_all());
  }
  stop.store(true);
  traffic.join();
  EXPECT_EQ(rig.smmu->counters().syncs, 300U);
}

} // namespace
} // namespace sluice::model::test

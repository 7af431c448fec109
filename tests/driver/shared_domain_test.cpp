#include "machine.hpp"

#include <sluice/iommu/group.hpp>

#include <thread>

// Domains with several devices, and devices with one domain, changed together and at the same time.
namespace sluice::test {
namespace {

using arch::Opcode;
using arch::Ste;
using arch::SteConfig;
using iommu::Stage;

TEST(Groups, OfNeighboursInOneLeafAreSwungOneAfterTheOther) {
  Machine m;
  ASSERT_TRUE(m.start());
  iommu::Group group{*m.smmu};
  ASSERT_TRUE(group.add(m.add({0x10})));
  ASSERT_TRUE(group.add(m.add({0x11})));
  ASSERT_TRUE(group.attach(m.paging()).ok());
  auto& next = m.paging(Stage::second);
  const auto change = group.replace(next, {}, {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->hitless);
  EXPECT_EQ(m.ste(0x10)->get(Ste::Config), SteConfig::stage2);
  EXPECT_EQ(m.ste(0x11)->get(Ste::Config), SteConfig::stage2);
}

TEST(Groups, AllMembersAreInTheAudience) {
  Machine m;
  ASSERT_TRUE(m.start());
  iommu::Group group{*m.smmu};
  auto& x = m.add({0x10});
  auto& y = m.add({0x11});
  ASSERT_TRUE(group.add(x));
  ASSERT_TRUE(group.add(y));
  auto& domain = m.paging();
  ASSERT_TRUE(group.attach(domain).ok());
  std::set<StreamID> heard;
  for (const auto* l = domain.audience()->first(); l != nullptr; l = l->next()) {
    heard.insert(l->streams().begin(), l->streams().end());
  }
  EXPECT_EQ(heard, (std::set<StreamID>{0x10, 0x11}));
  m.fake.forget();
  ASSERT_TRUE(group.detach().ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_ASID), 1U) << "when the last has left";
}

TEST(Groups, ARefusedMemberLeavesTheOthersAsTheyWere) {
  for (std::uint64_t n = 1;; ++n) {
    Machine m;
    ASSERT_TRUE(m.start());
    iommu::Group group{*m.smmu};
    ASSERT_TRUE(group.add(m.add({0x10})));
    ASSERT_TRUE(group.add(m.add({0x11})));
    auto& domain = m.paging();
    const auto live = m.port.memory.counts().live();
    m.fake.forget();
    m.port.memory.fail(n);
    const auto change = group.attach(domain);
    m.port.memory.fail(0);
    if (change.ok()) {
      EXPECT_GT(n, 4U);
      break;
    }
    EXPECT_EQ(change.error(), Errc::no_memory);
    EXPECT_TRUE(m.fake.seen().empty());
    EXPECT_EQ(m.port.memory.counts().live(), live);
    EXPECT_EQ(domain.users(), 0U);
    EXPECT_TRUE(group.attach(domain).ok());
  }
}

struct Ear : driver::Listener {
  explicit Ear(StreamID stream) : Listener{{&sid, 1}, iommu::Target::rid()}, sid{stream} {}
  StreamID sid;
};

TEST(Audience, ConsistsOfWhoHasComeAndNotLeftInAnyOrder) {
  for (const auto& order : {std::array{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
    driver::Audience audience;
    Ear ears[]{Ear{5}, Ear{9}, Ear{5}}; // the same stream twice, as while one domain follows itself
    std::multiset<StreamID> expected;
    for (auto& e : ears) {
      audience.add(e);
      expected.insert(e.sid);
    }
    for (const int i : order) {
      const auto leaver = static_cast<std::size_t>(i);
      const auto* at_it = audience.first();
      while (at_it != &ears[leaver]) {
        at_it = at_it->next();
      }
      const auto* after = at_it->next();
      expected.erase(expected.find(ears[leaver].sid));
      EXPECT_EQ(audience.remove(ears[leaver]), expected.empty());
      EXPECT_EQ(at_it->next(), after) << "who is at it can go on";
      std::multiset<StreamID> heard;
      for (const auto* l = audience.first(); l != nullptr; l = l->next()) {
        heard.insert(l->streams()[0]);
      }
      EXPECT_EQ(heard, expected);
    }
    EXPECT_FALSE(audience.anybody());
  }
}

struct SharedDomainThreads : testing::Test {
  void SetUp() override {
    auto config = Machine::quick();
    config.timeout_us = 60'000'000;
    ASSERT_TRUE(m.start(config));
  }
  Machine m;
};

TEST_F(SharedDomainThreads, MapAndUnmapWhileDevicesComeAndGo) {
  auto& a = m.paging();
  auto& b = m.paging(Stage::second);
  auto& x = m.add({0x10});
  auto& y = m.add({0x11, 0x310});
  std::vector<std::thread> threads;
  for (auto* device : {&x, &y}) {
    threads.emplace_back([&, device] {
      for (int i = 0; i < 60; ++i) {
        ASSERT_TRUE(device->attach(a).ok());
        ASSERT_TRUE(device->replace(b).ok());
        ASSERT_TRUE(device->replace(a).ok());
        ASSERT_TRUE(device->detach().ok());
      }
    });
  }
  for (std::uint64_t who = 0; who < 2; ++who) {
    threads.emplace_back([&, who] {
      const std::uint64_t iova = (who + 1) << 30;
      for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(a.map(iova, 0x40000000, 0x10000, iommu::prot::read_write).ok());
        ASSERT_TRUE(a.unmap(iova, 0x10000).ok());
      }
    });
  }
  for (auto& t : threads) {
    t.join();
  }
  EXPECT_EQ(a.users(), 0U);
  EXPECT_TRUE(m.destroy(a));
  EXPECT_TRUE(m.destroy(b));
  EXPECT_FALSE(m.smmu->failed());
}

TEST_F(SharedDomainThreads, DomainsAreMadeAndDestroyedByAll) {
  std::vector<std::thread> threads;
  for (int who = 0; who < 3; ++who) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        auto domain = m.smmu->make_paging({});
        ASSERT_TRUE(domain.ok());
        ASSERT_TRUE((*domain)->destroy());
      }
    });
  }
  for (auto& t : threads) {
    t.join();
  }
  EXPECT_EQ(m.paging().tag().id, 1U) << "all came back";
}

// Events are handed over while their device goes away and its domain changes hands.
TEST_F(SharedDomainThreads, FaultsFindTheirDeviceOrNobody) {
  struct Count : iommu::FaultHandler {
    void on_fault(const iommu::Fault& fault) override {
      EXPECT_NE(fault.device, nullptr);
      seen.fetch_add(1);
    }
    base::Atomic<std::uint64_t> seen{0};
  } handler;
  m.smmu->blocked().set_fault_handler(&handler);
  base::Atomic<std::uint32_t> stop{0};
  std::thread events{[&] {
    const auto record =
        arch::Event{}.with(arch::Event::Type, arch::EventType::C_BAD_STE).with(arch::Event::StreamID, 7);
    while (stop.load() == 0) {
      static_cast<void>(m.fake.put_event(record.w));
      m.smmu->poll();
    }
  }};
  for (int i = 0; i < 100; ++i) {
    auto& device = m.add({7});
    auto& domain = m.paging();
    ASSERT_TRUE(device.attach(domain).ok());
    ASSERT_TRUE(device.detach().ok());
    ASSERT_TRUE(m.destroy(domain));
    ASSERT_TRUE(m.remove(device));
  }
  stop.store(1);
  events.join();
  const auto counters = m.smmu->counters();
  EXPECT_EQ(counters.events, counters.events_unknown + counters.events_unhandled + handler.seen.load());
}

} // namespace
} // namespace sluice::test

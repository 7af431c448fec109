#if defined(SLUICE_EXPLORE)

#include "rig.hpp"

#include <cstring>

// What a translation that hits does to memory that others see. The seam of the explore build counts it.
namespace sluice::model::test {
namespace {

class Count final : public base::explore::Scheduler {
public:
  Count() { base::explore::current = this; }
  ~Count() { base::explore::current = nullptr; }
  Count(const Count&) = delete;
  Count& operator=(const Count&) = delete;

  std::uint64_t load(const void* at, unsigned size, std::memory_order) override {
    ++loads;
    std::uint64_t value = 0;
    std::memcpy(&value, at, size);
    return value;
  }
  void store(void* at, unsigned size, std::uint64_t value, std::memory_order) override {
    ++stores;
    std::memcpy(at, &value, size);
  }
  void before_update(void*, unsigned, std::memory_order) override { ++updates; }
  void fence(std::memory_order) override { ++fences; }
  void forget(const void*, std::size_t) override {}

  unsigned loads{0}, stores{0}, updates{0}, fences{0};
};

// Nothing but the one load of a shared word by which a port learns of invalidations.
void expect_one_load(const Count& c) {
  EXPECT_EQ(c.loads, 1U);
  EXPECT_EQ(c.stores, 0U);
  EXPECT_EQ(c.updates, 0U) << "a lock among them";
  EXPECT_EQ(c.fences, 0U);
}

struct HitExplore : testing::Test {
  HitExplore() {
    const auto s = rig.stage1_stream(1);
    rig.map(s.tree, 0x1000, 0x10'0000, s1_rw);
    rig.map(s.tree, 0x2000, 0x10'0000, s1_rw & ~(1ULL << 11)); // global
    const auto s2 = rig.stage2_tree();
    for (std::uint64_t at = 0; at < 8ULL << 20; at += 1ULL << 21) {
      rig.map(s2, at, at, s2_rw, 2);
    }
    rig.put_ste(2, rig.stage2_ste(s2));
    rig.put_ste(3, rig.nested(rig.stage1_ste(s.cd_at), rig.stage2_ste(s2, 2)));
    rig.put_ste(4, rig.bypass_ste());
  }
  Rig rig;
};

TEST_F(HitExplore, OfEveryKindOfStreamIsOneLoadInABurst) {
  Port::Burst burst{*rig.port};
  for (const std::uint32_t sid : {1U, 2U, 3U, 4U}) {
    for (const std::uint64_t address : {0x1000U, 0x2000U}) {
      const Request r{sid, {}, address, 1, false, false, false};
      EXPECT_TRUE(burst.translate(r).outcome.served());
      const auto misses = rig.port->counters().tlb_misses;
      Translation t;
      {
        Count count;
        t = burst.translate(r);
        expect_one_load(count);
      }
      EXPECT_TRUE(t.outcome.served()) << sid;
      EXPECT_EQ(rig.port->counters().tlb_misses, misses) << sid;
    }
  }
}

// Outside of a Burst: on- and offline, a fence each, and whether somebody waits.
TEST_F(HitExplore, OutsideOfABurstIsTwoStoresAndTwoFencesMore) {
  const Request r{1, {}, 0x1000, 1, false, false, false};
  EXPECT_TRUE(rig.port->translate(r).outcome.served());
  Count count;
  EXPECT_TRUE(rig.port->translate(r).outcome.served());
  EXPECT_EQ(count.loads, 2U);
  EXPECT_EQ(count.stores, 2U);
  EXPECT_EQ(count.updates, 0U);
  EXPECT_EQ(count.fences, 2U);
}

TEST_F(HitExplore, AMissIsMoreThanThat) {
  Port::Burst burst{*rig.port};
  Count count;
  EXPECT_TRUE(burst.translate({1, {}, 0x1000, 1, false, false, false}).outcome.served());
  EXPECT_GT(count.loads, 10U);
}

} // namespace
} // namespace sluice::model::test

#endif

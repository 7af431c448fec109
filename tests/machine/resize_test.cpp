#include <sluice/driver/paging_domain.hpp>
#include <sluice/hosted/random.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

// 3.21.1.3: what is mapped in blocks is cut, and made whole again, under traffic. What stays mapped is served at every
// moment, and what was unmapped by nobody any more, whatever the SMMU has cached.
namespace sluice::machine {
namespace {

constexpr std::uint64_t page = 4096, block = 0x200000, base_iova = 0x40000000;
constexpr std::uint64_t pages = 2 * block / page;

Config resizing(bool range_invalidation, std::uint64_t seed, unsigned stale_after_syncs) {
  Config config;
  config.smmus.push_back({.streams = {0x8, 0x10}});
  auto& smmu = config.smmus.back();
  smmu.features.httu = 2;
  smmu.features.range_invalidation = range_invalidation;
  smmu.features.version = 1; // BBML without ranges
  smmu.knobs.watch_stale = true;
  smmu.knobs.stale_after_syncs = stale_after_syncs;
  smmu.knobs.tlb = 4096;
  smmu.knobs.adversary = {.prefetch = true, .partial = true, .seed = seed};
  smmu.driver.stream_bits = 12;
  smmu.driver.dirty_by_page = true;
  config.port.arena.size = 64 << 20;
  return config;
}

struct Kind {
  iommu::Stage stage;
  bool ranges;
};

class Resizing : public testing::TestWithParam<Kind> {
protected:
  explicit Resizing(unsigned stale_after_syncs = 1) : machine{resizing(GetParam().ranges, 1, stale_after_syncs)} {
    domain = *machine.smmu().driver().make_paging({.stage = GetParam().stage, .dirty = true});
    const auto got = machine.clients().alloc(4 * block);
    memory = *got;
    pa = (memory.bus + block - 1) & ~(block - 1);
    map(0, pages);
    EXPECT_TRUE(machine.smmu().endpoint(0).device->attach(*domain));
  }
  ~Resizing() override {
    EXPECT_TRUE(machine.smmu().endpoint(0).device->detach());
    EXPECT_EQ(machine.smmu().model().stale_uses().count, 0U);
    EXPECT_TRUE(domain->destroy());
    machine.clients().free(memory);
    EXPECT_TRUE(machine.tear_down().nothing());
  }
  static std::uint64_t iova(std::uint64_t number) { return base_iova + number * page; }
  void map(std::uint64_t first, std::uint64_t count) {
    EXPECT_TRUE(domain->map(iova(first), pa + first * page, count * page, iommu::prot::read_write));
  }
  bool is_block(std::uint64_t number) {
    auto& table = static_cast<driver::PagingDomain&>(*domain).table();
    const auto leaf = table.walk(iova(number));
    return leaf && leaf->leaf_size == block;
  }
  static bool served(model::Port& port, std::uint64_t number, bool write = false) {
    std::uint64_t value = number;
    return port.access({.stream_id = 0x8, .address = iova(number), .size = 8, .write = write}, &value).served();
  }

  Machine machine;
  iommu::Domain* domain{};
  platform::DmaBlock memory;
  std::uint64_t pa{};
};
const auto kinds = testing::Values(Kind{iommu::Stage::first, false}, Kind{iommu::Stage::first, true},
                                   Kind{iommu::Stage::second, false}, Kind{iommu::Stage::second, true});
std::string kind_name(const testing::TestParamInfo<Kind>& info) {
  return std::string{info.param.stage == iommu::Stage::first ? "Stage1" : "Stage2"} +
         (info.param.ranges ? "Ranges" : "Pages");
}
INSTANTIATE_TEST_SUITE_P(, Resizing, kinds, kind_name);

TEST_P(Resizing, APageThatIsCutOutIsGoneAndTheOthersAreThere) {
  model::Port port{machine.smmu().model()};
  hosted::Random random{7};
  for (unsigned round = 0; round < 40; ++round) {
    for (unsigned i = 0; i < 30; ++i) {
      ASSERT_TRUE(served(port, random.below(pages), random.below(2) != 0));
    }
    ASSERT_TRUE(is_block(0)) << round;
    std::vector<std::uint64_t> gone;
    for (unsigned cuts = 0; cuts < 4; ++cuts) {
      const std::uint64_t number = random.below(pages / 2) | 1;
      if (domain->unmap(iova(number), page).ok()) {
        gone.push_back(number);
      }
      for (const auto each : gone) {
        ASSERT_FALSE(served(port, each, random.below(2) != 0)) << each;
        ASSERT_TRUE(served(port, each - 1, random.below(2) != 0)) << each;
      }
    }
    machine.smmu().driver().poll();
    for (const auto each : gone) {
      map(each, 1);
    }
    ASSERT_TRUE(domain->merge_pages());
  }
}

// Of what is dirty by page nothing is lost, though a block was cached as dirty.
TEST_P(Resizing, DirtyTrackingByPageTellsThePagesAndNoWriteIsMissed) {
  model::Port port{machine.smmu().model()};
  hosted::Random random{9};
  for (unsigned round = 0; round < 5; ++round) {
    ASSERT_TRUE(is_block(0));
    for (unsigned i = 0; i < 30; ++i) { // the block is dirty in the TLB
      ASSERT_TRUE(served(port, random.below(pages), true));
    }
    ASSERT_TRUE(domain->set_dirty_tracking(true));
    ASSERT_FALSE(is_block(0));
    for (unsigned look = 0; look < 10; ++look) {
      std::array<std::uint64_t, pages / 64> wanted{}, bits{};
      for (unsigned i = 0; i < 20; ++i) {
        const std::uint64_t number = random.below(pages);
        const bool write = random.below(2) != 0;
        ASSERT_TRUE(served(port, number, write));
        wanted[number / 64] |= std::uint64_t{write} << (number % 64);
      }
      iommu::DirtyBitmap bitmap{base_iova, 12, bits};
      ASSERT_TRUE(domain->read_dirty(base_iova, pages * page, iommu::Clear::yes, bitmap));
      ASSERT_EQ(bits, wanted);
    }
    ASSERT_TRUE(domain->set_dirty_tracking(false));
  }
}

class ResizingThreads : public Resizing {
protected:
  ResizingThreads() : Resizing{1U << 14} {} // one may be off its processor before its invalidation
};
INSTANTIATE_TEST_SUITE_P(, ResizingThreads, kinds, kind_name);

// Even pages stay mapped all the time, odd ones come and go under two threads, and a third merges what it can.
TEST_P(ResizingThreads, WhatStaysMappedIsServedAtEveryMomentAndWhatIsUnmappedIsGone) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> refused{0}, accesses{0}, reached{0}, cuts{0};
  std::vector<std::jthread> devices;
  for (unsigned d = 0; d < 2; ++d) {
    devices.emplace_back([&, d] {
      hosted::Random random{d + 1};
      model::Port port{machine.smmu().model()};
      while (!stop.load()) {
        refused.fetch_add(served(port, random.below(pages) & ~1ULL, random.below(2) != 0) ? 0 : 1);
        accesses.fetch_add(1);
      }
    });
  }
  {
    std::vector<std::jthread> changers;
    for (unsigned c = 0; c < 2; ++c) {
      changers.emplace_back([&, c] {
        hosted::Random random{c + 10};
        model::Port port{machine.smmu().model()};
        for (unsigned i = 0; i < 30; ++i) {
          const std::uint64_t number = (random.below(pages / 4) * 2 + c) * 2 + 1; // of its own
          ASSERT_TRUE(domain->unmap(iova(number), page).ok());
          cuts.fetch_add(1);
          reached.fetch_add(served(port, number) ? 1 : 0);
          map(number, 1);
        }
      });
    }
    changers.emplace_back([&] {
      for (unsigned i = 0; i < 30; ++i) {
        ASSERT_TRUE(domain->merge_pages());
      }
    });
  }
  stop.store(true);
  devices.clear();
  EXPECT_EQ(refused.load(), 0U) << "of " << accesses.load();
  EXPECT_EQ(reached.load(), 0U) << "of " << cuts.load();
  ASSERT_TRUE(domain->merge_pages());
  EXPECT_TRUE(is_block(0));
}

} // namespace
} // namespace sluice::machine

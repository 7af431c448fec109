#include <sluice/hosted/random.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

// Dirty tracking with the model's HTTU and traffic: what a migration that trusts it would have at the end.
namespace sluice::machine {
namespace {

constexpr std::uint64_t pages = 96;
constexpr std::uint64_t read_only_page = pages; // and after them one that nobody writes to, and one that nobody may
constexpr std::uint64_t base_iova = 0x40000000;

Config tracking() {
  Config config;
  config.smmus.push_back({.streams = {0x8, 0x10}});
  config.smmus.back().features.httu = 2;
  config.smmus.back().driver.stream_bits = 12;
  config.port.arena.size = 32 << 20;
  return config;
}

class DirtyTest : public testing::TestWithParam<iommu::Stage> {
protected:
  DirtyTest() {
    domain = *machine.smmu().driver().make_paging({.stage = GetParam(), .dirty = true});
    for (std::uint64_t i = 0; i < pages + 2; ++i) {
      memory.push_back(*machine.clients().alloc(4096));
      const auto prot = i == read_only_page ? iommu::prot::read : iommu::prot::read_write;
      EXPECT_TRUE(domain->map(iova(i), memory[i].bus, 4096, prot));
    }
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(machine.smmu().endpoint(i).device->attach(*domain));
    }
  }
  ~DirtyTest() override {
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(machine.smmu().endpoint(i).device->detach());
    }
    EXPECT_TRUE(domain->destroy());
    for (const auto& block : memory) {
      machine.clients().free(block);
    }
    EXPECT_TRUE(machine.tear_down().nothing());
  }
  static std::uint64_t iova(std::uint64_t page) { return base_iova + page * 4096; }
  static model::Request request(std::uint32_t stream, std::uint64_t page, bool write) {
    return {.stream_id = stream, .address = iova(page), .size = 8, .write = write};
  }
  std::uint64_t word(std::uint64_t page) {
    std::uint64_t value = 0;
    copy_out(memory[page].cpu, &value, sizeof value);
    return value;
  }
  std::vector<std::uint64_t> dirty(iommu::Clear clear = iommu::Clear::yes) {
    std::array<std::uint64_t, 2> bits{};
    iommu::DirtyBitmap bitmap{base_iova, 12, bits};
    EXPECT_TRUE(domain->read_dirty(base_iova, (pages + 2) * 4096, clear, bitmap));
    std::vector<std::uint64_t> all;
    for (std::uint64_t i = 0; i < pages + 2; ++i) {
      if (bitmap.test(iova(i))) {
        all.push_back(i);
      }
    }
    return all;
  }

  Machine machine{tracking()};
  iommu::Domain* domain{};
  std::vector<platform::DmaBlock> memory;
};
const auto stages = testing::Values(iommu::Stage::first, iommu::Stage::second);
std::string stage_name(const testing::TestParamInfo<iommu::Stage>& info) {
  return info.param == iommu::Stage::first ? "Stage1" : "Stage2";
}
INSTANTIATE_TEST_SUITE_P(, DirtyTest, stages, stage_name);

TEST_P(DirtyTest, WhatIsWrittenIsToldOnceAndWhatIsReadIsNot) {
  model::Port port{machine.smmu().model()};
  ASSERT_TRUE(domain->set_dirty_tracking(true));
  std::uint64_t value = 1;
  EXPECT_TRUE(port.access(request(0x8, 3, true), &value).served());
  EXPECT_TRUE(port.access(request(0x8, 4, false), &value).served());
  EXPECT_FALSE(port.access(request(0x8, read_only_page, true), &value).served());
  EXPECT_EQ(dirty(iommu::Clear::no), std::vector<std::uint64_t>{3});
  EXPECT_EQ(dirty(), std::vector<std::uint64_t>{3});
  EXPECT_TRUE(dirty().empty());
  EXPECT_TRUE(port.access(request(0x8, 3, true), &value).served());
  EXPECT_EQ(dirty(), std::vector<std::uint64_t>{3}) << "also when its translation was cached as dirty";
}

TEST_P(DirtyTest, TrackingBeginsWithEverythingCleanAndIsRefusedWhileItIsOff) {
  model::Port port{machine.smmu().model()};
  std::array<std::uint64_t, 2> bits{};
  iommu::DirtyBitmap bitmap{base_iova, 12, bits};
  std::uint64_t value = 1;
  EXPECT_TRUE(port.access(request(0x8, 3, true), &value).served());
  EXPECT_EQ(domain->read_dirty(base_iova, 4096, iommu::Clear::yes, bitmap).error(), base::Errc::busy);
  ASSERT_TRUE(domain->set_dirty_tracking(true));
  EXPECT_TRUE(dirty().empty());
  EXPECT_TRUE(port.access(request(0x8, 3, true), &value).served());
  EXPECT_EQ(dirty(), std::vector<std::uint64_t>{3}) << "the clean state had reached the TLBs";
  ASSERT_TRUE(domain->set_dirty_tracking(false));
  EXPECT_EQ(domain->read_dirty(base_iova, 4096, iommu::Clear::yes, bitmap).error(), base::Errc::busy);
}

TEST_P(DirtyTest, ADomainThatWasNotMadeForItRefuses) {
  auto* plain = *machine.smmu().driver().make_paging({.stage = GetParam()});
  iommu::DirtyBitmap nowhere{0, 12, {}};
  EXPECT_EQ(plain->set_dirty_tracking(true), base::Errc::unsupported);
  EXPECT_EQ(plain->read_dirty(0, 4096, iommu::Clear::yes, nowhere).error(), base::Errc::unsupported);
  EXPECT_TRUE(plain->destroy());
}

// Two devices write while what is dirty is copied again and again, and tracking goes off and on. In the end the copy is
// the memory, no access was refused, and what nobody wrote was never told.
using DirtyThreads = DirtyTest;
INSTANTIATE_TEST_SUITE_P(, DirtyThreads, stages, stage_name);

TEST_P(DirtyThreads, ACopyOfWhatIsDirtyMissesNoWrite) {
  ASSERT_TRUE(domain->set_dirty_tracking(true));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> writes{0}, refused{0};
  std::vector<std::jthread> devices;
  for (unsigned d = 0; d < 2; ++d) {
    devices.emplace_back([&, d] {
      hosted::Random random{d + 1};
      model::Port port{machine.smmu().model()};
      for (std::uint64_t n = 1; !stop.load(); ++n) {
        // Each device has pages of its own, so that the last write is known; few at a time, so that the TLB has them.
        const std::uint64_t page = (random.below(4) + n / 256 * 4) * 2 % pages + d;
        std::uint64_t value = n << 1 | d;
        const bool write = random.below(4) != 0;
        refused.fetch_add(port.access(request(d == 0 ? 0x8 : 0x10, page, write), &value).served() ? 0 : 1);
        writes.fetch_add(write);
      }
    });
  }
  std::vector<std::uint64_t> copy(pages);
  std::uint64_t told = 0;
  const auto take = [&] {
    for (const std::uint64_t page : dirty()) {
      ASSERT_LT(page, pages) << "nobody wrote there";
      copy[page] = word(page);
      ++told;
    }
  };
  for (unsigned round = 0; round < 200; ++round) {
    const std::uint64_t before = writes.load();
    static_cast<void>(platform::wait_until(machine.port().time, 5'000, [&] { return writes.load() > before + 8; }));
    take();
  }
  stop.store(true);
  devices.clear();
  take();
  for (std::uint64_t page = 0; page < pages; ++page) {
    ASSERT_EQ(copy[page], word(page)) << page;
  }
  EXPECT_EQ(refused.load(), 0U);
  EXPECT_GT(told, 100U);
  EXPECT_GT(writes.load(), told) << "some pages were written twice between two looks";
  EXPECT_EQ(machine.smmu().model().counters().events_recorded, 0U);
}

} // namespace
} // namespace sluice::machine

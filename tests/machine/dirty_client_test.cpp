#include "monitor.hpp"

#include <sluice/hosted/random.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <thread>

// A monitor that moves a machine away while its devices go on writing.
namespace sluice::machine::test {
namespace {

HostConfig tracking_host(iommu::Stage stage) {
  HostConfig config = small_host(0);
  config.smmus[0].features.httu = 2;
  config.smmus[0].driver.stage = stage;
  for (std::uint8_t d = 0; d < 2; ++d) {
    config.engines.push_back({.address = {.device = static_cast<std::uint8_t>(8 + d)}});
  }
  return config;
}

class DirtyClient : public testing::TestWithParam<iommu::Stage>, protected Monitor {
protected:
  static constexpr std::uint64_t pages = 64, iova = 0x4000'0000;
  static constexpr std::uint64_t block = 2 << 20;

  DirtyClient() : Monitor{tracking_host(GetParam()), pages * page} {
    table = iommu.table(engine.id, ioas, i::hwpt_dirty_tracking);
    EXPECT_NE(table, 0U);
    EXPECT_EQ(iommu.map(ioas, iova, ram.at, pages * page), 0);
    for (const auto& each : engines) {
      EXPECT_EQ(each->attach(table), 0);
    }
  }
  int track(bool on) {
    i::HwptSetDirtyTracking c;
    c.flags = on ? i::dirty_tracking_enable : 0U;
    c.hwpt_id = table;
    return iommu.call(c);
  }
  // One bit for each page.
  std::uint64_t dirty(std::uint32_t flags = 0) {
    std::uint64_t bits = 0;
    i::HwptGetDirtyBitmap c;
    c.hwpt_id = table;
    c.flags = flags;
    c.iova = iova;
    c.length = pages * page;
    c.page_size = page;
    c.data = pointer(&bits);
    EXPECT_EQ(iommu.call(c), 0);
    return bits;
  }

  std::uint32_t table{};
};
std::string name_of(const testing::TestParamInfo<iommu::Stage>& info) {
  return info.param == iommu::Stage::first ? "Stage1" : "Stage2";
}
INSTANTIATE_TEST_SUITE_P(, DirtyClient, testing::Values(iommu::Stage::first, iommu::Stage::second), name_of);

TEST_P(DirtyClient, ThePagesThatADeviceHasWrittenToAreToldOnce) {
  ASSERT_EQ(track(true), 0);
  model::Port port{host.hardware(0)};
  std::uint64_t word = 7;
  ASSERT_TRUE(host.engine(0).write(port, iova + 3 * page, &word, sizeof word).complete());
  ASSERT_TRUE(host.engine(1).write(port, iova + 63 * page + 8, &word, sizeof word).complete());
  ASSERT_TRUE(host.engine(0).read(port, iova + 5 * page, &word, sizeof word).complete());
  EXPECT_EQ(dirty(i::dirty_bitmap_no_clear), 1ULL << 63 | 8);
  EXPECT_EQ(dirty(), 1ULL << 63 | 8);
  EXPECT_EQ(dirty(), 0U);
  ASSERT_TRUE(host.engine(0).write(port, iova + 3 * page, &word, sizeof word).complete());
  EXPECT_EQ(dirty(), 8U) << "clean in the TLBs, too";
}

TEST_P(DirtyClient, ABlockIsToldAsAllOfItsPages) {
  Pages large{2 * block};
  const std::uint64_t at = (pointer(large.at) + block - 1) / block * block;
  ASSERT_EQ(iommu.map(ioas, 0x8000'0000, reinterpret_cast<void*>(at), block), 0);
  ASSERT_EQ(track(true), 0);
  model::Port port{host.hardware(0)};
  std::uint64_t word = 7;
  ASSERT_TRUE(host.engine(0).write(port, 0x8000'5000, &word, sizeof word).complete());
  std::array<std::uint64_t, block / page / 64> bits{};
  i::HwptGetDirtyBitmap c;
  c.hwpt_id = table;
  c.iova = 0x8000'0000;
  c.length = block;
  c.page_size = page;
  c.data = pointer(bits.data());
  ASSERT_EQ(iommu.call(c), 0);
  EXPECT_TRUE(std::all_of(bits.begin(), bits.end(), [](std::uint64_t word) { return word == ~0ULL; }));
  bits = {};
  ASSERT_EQ(iommu.call(c), 0);
  EXPECT_TRUE(std::all_of(bits.begin(), bits.end(), [](std::uint64_t word) { return word == 0; }));
}

TEST_P(DirtyClient, ATableForNestingTakesNoFlagForIt) {
  EXPECT_EQ(iommu.table(engine.id, ioas, i::hwpt_nest_parent | i::hwpt_dirty_tracking), 0U);
}

// Each page is copied whenever it is told of. In the end the copy is the memory.
using DirtyClientThreads = DirtyClient;
INSTANTIATE_TEST_SUITE_P(, DirtyClientThreads, testing::Values(iommu::Stage::first, iommu::Stage::second), name_of);

TEST_P(DirtyClientThreads, AMigrationUnderTrafficLosesNoPage) {
  constexpr std::uint64_t written = pages - 4; // nobody writes to the last ones
  ASSERT_EQ(track(true), 0);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> writes{0}, refused{0};
  std::vector<std::jthread> devices;
  for (unsigned d = 0; d < 2; ++d) {
    devices.emplace_back([&, d] {
      hosted::Random random{d + 1};
      model::Port port{host.hardware(0)};
      for (std::uint64_t n = 1; !stop.load(); ++n) {
        const std::uint64_t at = (random.below(6) + n / 128 * 2) % (written / 2) * 2 + d; // pages of its own
        refused.fetch_add(host.engine(d).write(port, iova + at * page, &n, sizeof n).complete() ? 0 : 1);
        writes.fetch_add(1);
      }
    });
  }
  std::vector<std::uint64_t> copy(pages);
  std::uint64_t told = 0;
  const auto take = [&] {
    for (std::uint64_t bits = dirty(); bits != 0; bits &= bits - 1, ++told) {
      const auto at = static_cast<std::uint64_t>(std::countr_zero(bits));
      ASSERT_LT(at, written) << "nobody wrote there";
      copy[at] = ram.get<std::uint64_t>(at * page);
    }
  };
  for (unsigned round = 0; round < 30; ++round) {
    const std::uint64_t before = writes.load();
    static_cast<void>(platform::wait_until(host.port().time, 5'000, [&] { return writes.load() > before + 8; }));
    take();
  }
  stop.store(true);
  devices.clear();
  take();
  for (std::uint64_t at = 0; at < pages; ++at) {
    ASSERT_EQ(copy[at], ram.get<std::uint64_t>(at * page)) << at;
  }
  EXPECT_EQ(refused.load(), 0U);
  EXPECT_GT(told, 20U);
  EXPECT_EQ(dirty(), 0U);
}

} // namespace
} // namespace sluice::machine::test

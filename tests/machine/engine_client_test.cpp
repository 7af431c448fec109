#include "monitor.hpp"

#include <sluice/pcie/copy_ring.hpp>

#include <atomic>
#include <cerrno>
#include <thread>

// A program that has a copy engine's ring in its memory, and gives it jobs by storing there.
namespace sluice::machine::test {
namespace {

using pcie::CopyRing;
using State = pcie::CopyDevice::State;

HostConfig device_host(std::optional<std::uint64_t> seed = {}) {
  HostConfig config = small_host(0);
  config.engines.push_back({.address = {.device = 8}, .device = true});
  if (seed) {
    config.port.seeded.emplace().seed = *seed;
  }
  return config;
}

struct EngineMonitor : Monitor {
  static constexpr std::uint64_t iova = 0x4000'0000, half = 0x8000;

  explicit EngineMonitor(const HostConfig& config) : Monitor{config, 2 * half} {
    EXPECT_EQ(engine.attach(ioas), 0);
    EXPECT_EQ(iommu.map(ioas, iova, ram.at, ram.size), 0);
    bar = std::move(*engine.file->map(ring_at(), CopyRing::bytes));
  }
  static std::uint64_t ring_at() { return std::uint64_t{pcie::CopyDevice::ring_bar} << v::region_shift; }

  template <class T>
  void put(std::uint64_t at, T value) {
    __atomic_store_n(reinterpret_cast<T*>(bar.bytes().data() + at), value, __ATOMIC_RELEASE);
  }
  std::uint32_t get(std::uint64_t at) const {
    return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(bar.bytes().data() + at), __ATOMIC_ACQUIRE);
  }
  static std::uint64_t entry(std::uint32_t n) {
    return CopyRing::entries_at + n % CopyRing::entries * CopyRing::entry_bytes;
  }
  void fill(std::uint32_t n, std::uint64_t source, std::uint64_t destination, std::uint32_t size) {
    put(entry(n) + CopyRing::source_at, source);
    put(entry(n) + CopyRing::destination_at, destination);
    put(entry(n) + CopyRing::size_at, std::uint64_t{size});
  }
  bool done(std::uint32_t count) {
    return platform::wait_until(host.port().time, 20'000'000, [&] { return get(CopyRing::done_at) == count; });
  }
  State state(std::uint32_t n) const { return static_cast<State>(get(entry(n) + CopyRing::state_at)); }
  // From one half of the memory to the other, piece by piece.
  void copy_all() {
    constexpr std::uint32_t piece = 0x100;
    for (std::size_t i = 0; i < half; ++i) {
      ram.at[i] = static_cast<std::byte>(i * 7 + i / 251);
    }
    const std::uint32_t first = get(CopyRing::done_at);
    const std::uint32_t jobs = half / piece;
    for (std::uint32_t n = 0; n < jobs; ++n) {
      fill(first + n, iova + n * piece, iova + half + n * piece, piece);
      if (n % 32 == 31) {
        put(CopyRing::filled_at, first + n + 1);
      }
    }
    ASSERT_TRUE(done(first + jobs));
    EXPECT_EQ(std::memcmp(ram.at, ram.at + half, half), 0);
    EXPECT_EQ(state(first + jobs - 1), State::done);
  }

  vfio::BarMapping bar;
};

TEST(EngineClientThreads, JobsThatNobodyTellsTheEngineOfAreDone) {
  EngineMonitor m{device_host()};
  m.copy_all();
  EXPECT_EQ(m.host.account().engines[0].jobs.bytes, EngineMonitor::half);
}

TEST(EngineClientThreads, WithoutAMappingTheEngineIsToldByTheWrite) {
  EngineMonitor m{device_host()};
  m.bar = {};
  m.ram.put<std::uint64_t>(0, 42);
  m.engine.set<std::uint64_t>(2, EngineMonitor::entry(0), EngineMonitor::iova);
  m.engine.set<std::uint64_t>(2, EngineMonitor::entry(0) + 8, EngineMonitor::iova + 8);
  m.engine.set<std::uint64_t>(2, EngineMonitor::entry(0) + 16, 8);
  m.engine.set<std::uint32_t>(2, CopyRing::filled_at, 1);
  ASSERT_TRUE(platform::wait_until(m.host.port().time, 20'000'000,
                                   [&] { return m.engine.get<std::uint32_t>(2, CopyRing::done_at) == 1; }));
  EXPECT_EQ(m.ram.get<std::uint64_t>(8), 42U);
}

TEST(EngineClientThreads, WhatWasFilledBeforeItIsUnmappedIsDone) {
  EngineMonitor m{device_host()};
  for (std::uint32_t n = 0; n < 200; ++n) {
    m.bar = std::move(*m.engine.file->map(EngineMonitor::ring_at(), CopyRing::bytes));
    m.fill(n, EngineMonitor::iova, EngineMonitor::iova + 8, 8);
    m.put(CopyRing::filled_at, n + 1);
    m.bar = {};
    ASSERT_TRUE(platform::wait_until(m.host.port().time, 20'000'000, [&] {
      return m.engine.get<std::uint32_t>(2, CopyRing::done_at) == n + 1;
    })) << n;
  }
}

TEST(EngineClientThreads, WhatIsUnmappedIsAnAbortInTheRing) {
  EngineMonitor m{device_host()};
  ASSERT_EQ(m.iommu.unmap(m.ioas, EngineMonitor::iova, m.ram.size), 0);
  m.fill(0, EngineMonitor::iova, EngineMonitor::iova + 8, 8);
  m.put(CopyRing::filled_at, 1U);
  ASSERT_TRUE(m.done(1));
  EXPECT_EQ(m.state(0), State::read_aborted);
}

TEST(EngineClientThreads, AResetUnderWayLeavesAnEmptyRingThatWorks) {
  EngineMonitor m{device_host()};
  for (int round = 0; round < 20; ++round) {
    for (std::uint32_t n = 0; n < CopyRing::entries; ++n) {
      m.fill(n, EngineMonitor::iova, EngineMonitor::iova + EngineMonitor::half, 0x1000);
    }
    m.put(CopyRing::filled_at, CopyRing::entries);
    ASSERT_EQ(m.engine.reset(), 0);
    EXPECT_EQ(m.get(CopyRing::filled_at), 0U);
    EXPECT_EQ(m.get(CopyRing::done_at), 0U);
  }
  m.copy_all();
}

TEST(EngineClientThreads, ARingIsMappedAndUnmappedWhileItWorks) {
  EngineMonitor m{device_host()};
  std::atomic<bool> stop{};
  std::jthread other{[&] {
    while (!stop.load()) {
      const auto again = m.engine.file->map(EngineMonitor::ring_at(), 0x1000);
      EXPECT_TRUE(again);
    }
  }};
  m.copy_all();
  m.copy_all();
  stop.store(true);
}

TEST(EngineClientThreads, NothingIsLeftWhenItIsClosedWhileItIsMapped) {
  std::optional<EngineMonitor> m{std::in_place, device_host()};
  m->copy_all();
  m->engine.file.reset();
  m->bar.bytes()[0x3000] = std::byte{1}; // as by a program that has not unmapped it
  m->bar = {};
  Source next{m->host.open_engine(0)};
  ASSERT_EQ(next.bind(m->iommu), 0);
  next.be_master();
  EXPECT_EQ(next.get<std::uint8_t>(2, 0x3000), 0);
}

TEST(EngineClient, ABarIsNotMappedForDevices) {
  EngineMonitor m{device_host()};
  EXPECT_EQ(m.iommu.map(m.ioas, 0x8000'0000, m.bar.bytes().data(), 0x1000), EFAULT);
}

TEST(EngineClient, InAGivenOrderTheEngineLooksInItsTurns) {
  EngineMonitor m{device_host(7)};
  m.copy_all();
}

} // namespace
} // namespace sluice::machine::test

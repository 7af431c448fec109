// The hardware model's paths of a transaction. The aims are in the design's table; docs/costs.md explains.
#include "calibration.hpp"

#include <sluice/arch/commands.hpp>
#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>
#include <sluice/model/port.hpp>
#include <sluice/model/smmu.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

namespace {

using namespace sluice;
using arch::Cd;
using arch::Ste;
using model::Port;
using model::Request;

// Memory from address 0, without checks but its end.
class Ram final : public model::Bus {
public:
  explicit Ram(std::size_t bytes)
      : size_{bytes}, bytes_{static_cast<unsigned char*>(std::calloc(bytes, 1)), &std::free} {}
  std::uint64_t alloc(std::uint64_t size, std::uint64_t align) {
    next_ = (next_ + align - 1) & ~(align - 1);
    next_ += size;
    return next_ - size;
  }
  void put(std::uint64_t at, std::uint64_t value) { std::memcpy(&bytes_[at], &value, 8); }
  std::uint64_t get(std::uint64_t at) const {
    std::uint64_t value = 0;
    std::memcpy(&value, &bytes_[at], 8);
    return value;
  }
  bool read(const model::BusAccess& a, void* into) override {
    if (a.address + a.size > size_) {
      return false;
    }
    std::memcpy(into, &bytes_[a.address], a.size);
    return true;
  }
  bool write(const model::BusAccess& a, const void* from) override {
    if (a.address + a.size > size_) {
      return false;
    }
    std::memcpy(&bytes_[a.address], from, a.size);
    return true;
  }
  bool read64(std::uint64_t at, const model::Attributes&, std::uint64_t& value) override {
    if (at + 8 > size_) {
      return false;
    }
    value =
        std::atomic_ref<std::uint64_t>{reinterpret_cast<std::uint64_t&>(bytes_[at])}.load(std::memory_order_acquire);
    return true;
  }
  bool compare_exchange64(std::uint64_t, const model::Attributes&, std::uint64_t&, std::uint64_t) override {
    return false;
  }
  bool message(const model::BusAccess&, std::uint32_t) override { return false; }
  void pulse(model::Wire) override {}

private:
  std::size_t size_;
  std::unique_ptr<unsigned char[], decltype(&std::free)> bytes_; // pages appear as they are used
  std::uint64_t next_{0x10000};
};

constexpr std::uint64_t pages = 65536;
constexpr std::uint64_t page_size = 4096;

// Stream 1: stage 1 with 48 bits. Stream 2: both stages, stage 1 as before, stage 2 identity in 4 KB pages.
struct Machine {
  Machine() {
    const auto strtab = ram.alloc(64 * 64, 4096);
    cmdq = ram.alloc(16 << 10, 1 << 14);
    smmu = std::move(*model::Smmu::make({}, {}, ram, sync, time));
    const std::uint64_t root1 = tree(0);
    const std::uint64_t root2 = tree(0);
    // All that stage 1 of stream 2 needs, one to one at stage 2.
    const std::uint64_t s2root = ram.alloc(4096 * 2, 8192);
    const auto cd1 = cd(root1, 1);
    const auto cd2 = cd(root2, 2);
    for (std::uint64_t at = 0; at < size; at += page_size) {
      map(s2root, at, at, 1, 1ULL << 10 | 3ULL << 8 | 3ULL << 6 | 0xfULL << 2);
    }
    Ste one;
    one.set(Ste::V, 1).set(Ste::Config, arch::SteConfig::stage1).set(Ste::S1ContextPtr, cd1);
    one.set(Ste::SHCFG, arch::ShareabilityOverride::incoming);
    put(strtab + 64, one);
    Ste two = one;
    two.set(Ste::Config, arch::SteConfig::nested).set(Ste::S1ContextPtr, cd2).set(Ste::S2VMID, 1);
    two.set(Ste::S2T0SZ, 24).set(Ste::S2SL0, 1).set(Ste::S2PS, arch::AddressSize::bits44).set(Ste::S2AA64, 1);
    two.set(Ste::S2TTB, s2root);
    put(strtab + 128, two);
    smmu->write(arch::STRTAB_BASE::offset, 8, strtab);
    smmu->write(arch::STRTAB_BASE_CFG::offset, 4, 6);
    smmu->write(arch::CMDQ_BASE::offset, 8, cmdq | 10);
    smmu->write(arch::CR0::offset, 4, 9);
  }
  void put(std::uint64_t at, const auto& s) {
    for (std::size_t i = 0; i < s.w.size(); ++i) {
      ram.put(at + i * 8, s.w[i]);
    }
  }
  std::uint64_t cd(std::uint64_t root, unsigned asid) {
    const auto at = ram.alloc(64, 4096);
    Cd c;
    c.set(Cd::V, 1).set(Cd::AA64, 1).set(Cd::A, 1).set(Cd::R, 1).set(Cd::EPD1, 1).set(Cd::ASID, asid);
    c.set(Cd::T0SZ, 16).set(Cd::IPS, arch::AddressSize::bits44).set(Cd::TTB0, root).set(Cd::MAIR0, 0xff);
    put(at, c);
    return at;
  }
  void map(std::uint64_t table, std::uint64_t input, std::uint64_t output, int level, std::uint64_t flags) {
    const std::uint64_t root = table;
    for (; level < 3; ++level) {
      const std::uint64_t index = table == root ? input >> arch::level_shift(arch::Granule::k4, level)
                                                : arch::level_index(arch::Granule::k4, level, input);
      if (ram.get(table + index * 8) == 0) {
        ram.put(table + index * 8, ram.alloc(4096, 4096) | 3);
      }
      table = ram.get(table + index * 8) & ~0xfffULL;
    }
    ram.put(table + arch::level_index(arch::Granule::k4, 3, input) * 8, output | flags | 3);
  }
  // 64K pages from iova on, each to its own frame.
  std::uint64_t tree(std::uint64_t iova) {
    const auto root = ram.alloc(4096, 4096);
    for (std::uint64_t i = 0; i < pages; ++i) {
      map(root, iova + i * page_size, frames + (i * 7919 % pages) * page_size, 0,
          1ULL << 11 | 1ULL << 10 | 3ULL << 8 | 1ULL << 6);
    }
    return root;
  }
  void submit(const arch::Command& c) {
    ram.put(cmdq + (prod & 1023) * 16, c.w[0]);
    ram.put(cmdq + (prod & 1023) * 16 + 8, c.w[1]);
    prod = (prod + 1) & 2047;
  }
  void run() {
    smmu->write(arch::CMDQ_PROD::offset, 4, prod);
    while ((smmu->read(arch::CMDQ_CONS::offset, 4) & 2047) != prod) {
      std::this_thread::yield();
    }
  }

  static constexpr std::uint64_t size = 512ULL << 20;
  static constexpr std::uint64_t frames = 200ULL << 20;
  Ram ram{size};
  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  hosted::Time time{schedule};
  std::unique_ptr<model::Smmu> smmu;
  std::uint64_t cmdq{};
  std::uint32_t prod{0};
};

Machine& machine() {
  static Machine m;
  return m;
}

std::vector<std::uint64_t> addresses(std::uint64_t count, bool random) {
  std::vector<std::uint64_t> all(std::max<std::uint64_t>(count, 4096));
  std::uint64_t x = 88172645463325252ULL;
  for (std::size_t i = 0; i < all.size(); ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    all[i] = (random ? x % count : i % count) * page_size + 0x40;
  }
  return all;
}

// The design's aim, and what it comes to here: it was set where a dependent L1 load takes 1.9 ns.
void aim(benchmark::State& state, double ns) {
  static const double load = bench::dependent_load();
  char text[64];
  std::snprintf(text, sizeof text, "aim %.0f ns, here %.1f ns", ns, ns * load / 1.9);
  state.SetLabel(text);
}

void translate(benchmark::State& state, double aimed, std::uint32_t sid, std::uint64_t count, bool random) {
  aim(state, aimed);
  Port port{*machine().smmu};
  const auto all = addresses(count, random);
  Port::Burst burst{port};
  Request r{sid, {}, 0, 8, false, false, false};
  std::size_t i = 0;
  for (auto _ : state) {
    r.address = all[i];
    i = i + 1 == all.size() ? 0 : i + 1;
    const auto t = burst.translate(r);
    benchmark::DoNotOptimize(t.address);
    if (!t.outcome.served()) {
      state.SkipWithError("not served");
      break;
    }
  }
  const auto c = port.counters();
  const auto n = static_cast<double>(state.iterations());
  state.counters["misses"] = static_cast<double>(c.tlb_misses) / n;
  state.counters["reads"] = static_cast<double>(c.walks) / n;
}

void one_hot_page(benchmark::State& s) { translate(s, 12, 1, 1, false); }
void pages_64(benchmark::State& s) { translate(s, 12, 1, 64, false); }
void random_64k_pages(benchmark::State& s) { translate(s, 50, 1, pages, true); }
void two_stages_64_pages(benchmark::State& s) { translate(s, 15, 2, 64, false); }
void two_stages_random_64k_pages(benchmark::State& s) { translate(s, 90, 2, pages, true); }

// With the memory access: 8 bytes.
void access_one_hot_page(benchmark::State& state) {
  Port port{*machine().smmu};
  Port::Burst burst{port};
  const Request r{1, {}, 0x40, 8, false, false, false};
  for (auto _ : state) {
    std::uint64_t data = 0;
    benchmark::DoNotOptimize(burst.access(r, &data));
    benchmark::DoNotOptimize(data);
  }
}

void single_access_one_hot_page(benchmark::State& state) {
  Port port{*machine().smmu};
  const Request r{1, {}, 0x40, 8, false, false, false};
  for (auto _ : state) {
    std::uint64_t data = 0;
    benchmark::DoNotOptimize(port.access(r, &data));
    benchmark::DoNotOptimize(data);
  }
}

void tlbi_and_sync(benchmark::State& state) {
  auto& m = machine();
  for (auto _ : state) {
    m.submit(arch::cmd::tlbi_nh_va(0, 1, 0x7000'0000, true));
    m.submit(arch::cmd::sync());
    m.run();
  }
}

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// Translations per CPU-second, of one thread and of two with a TLBI and SYNC every 10 us; the issuing is not counted.
struct Rate {
  double translations{};
  double seconds{};
};
Rate traffic(bool issues, std::chrono::milliseconds length) {
  auto& m = machine();
  Port port{*m.smmu};
  const auto all = addresses(64, false);
  Rate rate;
  const auto end = std::chrono::steady_clock::now() + length;
  auto next = std::chrono::steady_clock::now();
  Request r{1, {}, 0, 8, false, false, false};
  std::uint64_t i = 0;
  while (std::chrono::steady_clock::now() < end) {
    const double before = thread_seconds();
    {
      Port::Burst burst{port};
      for (int n = 0; n < 500; ++n, ++i) {
        r.address = all[i & 63];
        benchmark::DoNotOptimize(burst.translate(r).address);
      }
    }
    rate.seconds += thread_seconds() - before;
    rate.translations += 500;
    if (issues && std::chrono::steady_clock::now() >= next) {
      m.submit(arch::cmd::tlbi_nh_va(0, 1, (i & 63) * page_size, true));
      m.submit(arch::cmd::sync());
      m.run();
      next = std::chrono::steady_clock::now() + std::chrono::microseconds{10};
    }
  }
  return rate;
}

void two_threads_with_invalidations(benchmark::State& state) {
  using namespace std::chrono_literals;
  double best = 0;
  for (auto _ : state) {
    const Rate one = traffic(false, 300ms);
    Rate both[2];
    {
      std::jthread other{[&] { both[1] = traffic(false, 300ms); }};
      both[0] = traffic(true, 300ms);
    }
    const double alone = one.translations / one.seconds;
    const double together = both[0].translations / both[0].seconds + both[1].translations / both[1].seconds;
    best = std::max(best, together / alone);
  }
  state.counters["times_one"] = best;
  state.SetLabel("aim 1.9 times one");
}

BENCHMARK(one_hot_page);
BENCHMARK(pages_64);
BENCHMARK(random_64k_pages);
BENCHMARK(two_stages_64_pages);
BENCHMARK(two_stages_random_64k_pages);
BENCHMARK(access_one_hot_page);
BENCHMARK(single_access_one_hot_page);
BENCHMARK(tlbi_and_sync);
BENCHMARK(two_threads_with_invalidations)->Iterations(5)->Unit(benchmark::kMillisecond);

} // namespace

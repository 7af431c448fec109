// What the driver's operations take, on the model, which executes commands when CMDQ_PROD is written: time, and
// commands and CMD_SYNCs for each.
#include <sluice/machine/machine.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>

namespace {

using namespace sluice;

constexpr std::uint32_t stream = 0x8;
constexpr std::uint32_t pasid_stream = 0x9;
constexpr std::uint64_t kib4 = 4096;
constexpr std::uint64_t mib2 = 2ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;

machine::Config config(bool ranges) {
  machine::Config c;
  c.smmus.push_back({.streams = {stream}});
  if (!ranges) { // SMMUv3.1; v3.2 has to have them
    c.smmus.back().features = {
        .version = 1, .range_invalidation = false, .bbml = 0, .fwb = false, .small_tables = false};
  }
  c.smmus.back().features.oas_bits = 48;
  c.port.arena.size = 64 << 20;
  return c;
}

struct Bench {
  explicit Bench(bool ranges = true) : Bench{config(ranges)} {}
  explicit Bench(const machine::Config& machine_config) : machine{machine_config} {}
  driver::Smmu& driver() { return machine.smmu().driver(); }
  iommu::Device& device() { return *machine.smmu().endpoint(0).device; }
  iommu::Domain& paging(iommu::Stage stage) { return **driver().make_paging({.stage = stage}); }

  machine::Machine machine;
};

class Counting {
public:
  Counting(benchmark::State& state, Bench& bench) : state_{state}, bench_{bench}, before_{bench.driver().counters()} {}
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;
  ~Counting() {
    const auto now = bench_.driver().counters();
    const auto each = [&](std::uint64_t n) {
      return benchmark::Counter(static_cast<double>(n), benchmark::Counter::kAvgIterations);
    };
    state_.counters["commands"] = each(now.commands - before_.commands);
    state_.counters["syncs"] = each(now.syncs - before_.syncs);
  }

private:
  benchmark::State& state_;
  Bench& bench_;
  driver::Counters before_;
};

void fail(benchmark::State& state) { state.SkipWithError("the driver refused"); }

void attach_and_detach(benchmark::State& state, iommu::Stage stage) {
  Bench bench;
  auto& domain = bench.paging(stage);
  {
    const Counting counting{state, bench};
    for (auto _ : state) {
      if (!bench.device().attach(domain) || !bench.device().detach()) {
        return fail(state);
      }
    }
  }
  static_cast<void>(domain.destroy());
}

// There and back.
void replace(benchmark::State& state, iommu::Stage from, iommu::Stage to) {
  Bench bench;
  auto& a = bench.paging(from);
  auto& b = bench.paging(to);
  if (!bench.device().attach(a)) {
    return fail(state);
  }
  {
    const Counting counting{state, bench};
    for (auto _ : state) {
      if (!bench.device().replace(b) || !bench.device().replace(a)) {
        return fail(state);
      }
    }
  }
  static_cast<void>(bench.device().detach());
  static_cast<void>(a.destroy());
  static_cast<void>(b.destroy());
}

// A device that has 20 bits of PASID, of a machine with room for all of them.
struct PasidBench : Bench {
  PasidBench() : Bench{many()} {
    const std::array streams{pasid_stream};
    device = *driver().add(nullptr, streams, {.pasid_bits = 20});
    domain = *driver().make_paging({.pasid = true});
  }
  ~PasidBench() {
    static_cast<void>(driver().remove(*device));
    static_cast<void>(domain->destroy());
  }
  static machine::Config many() {
    machine::Config c = config(true);
    c.smmus.back().features.substreamid_bits = 20;
    c.port.arena.size = 256 << 20;
    return c;
  }

  iommu::Device* device{};
  iommu::Domain* domain{};
};

// Beside another in its leaf of the CD table; as the first in a leaf; as the first and last of the device, with which
// the whole table comes and goes.
enum class Place : std::uint8_t { beside, leaf, alone };

void pasid_attach_and_detach(benchmark::State& state, Place place) {
  PasidBench bench;
  if (place != Place::alone && !bench.device->attach(*bench.domain, iommu::Target::pasid(1))) {
    return fail(state);
  }
  const auto target = iommu::Target::pasid(place == Place::leaf ? 0x54321 : 2);
  const Counting counting{state, bench};
  for (auto _ : state) {
    if (!bench.device->attach(*bench.domain, target) || !bench.device->detach(target)) {
      return fail(state);
    }
  }
}

void pasid_replace(benchmark::State& state) {
  PasidBench bench;
  auto& other = **bench.driver().make_paging({.pasid = true});
  const auto target = iommu::Target::pasid(2);
  if (!bench.device->attach(*bench.domain, target)) {
    return fail(state);
  }
  {
    const Counting counting{state, bench};
    for (auto _ : state) {
      if (!bench.device->replace(other, target) || !bench.device->replace(*bench.domain, target)) {
        return fail(state);
      }
    }
  }
  static_cast<void>(bench.device->detach(target));
  static_cast<void>(other.destroy());
}

// All that one device can have, attached to one domain: time and bytes for each.
void a_million_pasids(benchmark::State& state) {
  constexpr std::uint32_t all = (1U << 20) - 1;
  for (auto _ : state) {
    state.PauseTiming();
    auto bench = std::make_unique<PasidBench>();
    const auto before = bench->machine.port().memory.counts();
    state.ResumeTiming();
    for (std::uint32_t pasid = 1; pasid <= all; ++pasid) {
      if (!bench->device->attach(*bench->domain, iommu::Target::pasid(pasid))) {
        return fail(state);
      }
    }
    state.PauseTiming();
    const auto now = bench->machine.port().memory.counts();
    state.counters["tables"] = static_cast<double>(now.dma_bytes - before.dma_bytes) / all;
    state.counters["objects"] = static_cast<double>(now.plain_bytes - before.plain_bytes) / all;
    state.counters["each"] =
        benchmark::Counter(all, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    bench.reset();
    state.ResumeTiming();
  }
}

// Of what is mapped in pages; `offset` 0 lets blocks be used where they fit.
void unmap(benchmark::State& state, std::uint64_t size, std::uint64_t offset, bool ranges, bool deferred) {
  Bench bench{ranges};
  auto& domain = bench.paging(iommu::Stage::first);
  if (!bench.device().attach(domain)) {
    return fail(state);
  }
  {
    const Counting counting{state, bench};
    for (auto _ : state) {
      state.PauseTiming();
      const bool mapped = domain.map(gib, gib + offset, size, iommu::prot::read_write).ok();
      state.ResumeTiming();
      const bool unmapped = deferred ? domain.unmap_deferred(gib, size).progress.ok() : domain.unmap(gib, size).ok();
      if (!mapped || !unmapped) {
        return fail(state);
      }
    }
  }
  static_cast<void>(bench.device().detach());
  static_cast<void>(domain.destroy());
}

using iommu::Stage;

BENCHMARK_CAPTURE(attach_and_detach, stage1, Stage::first);
BENCHMARK_CAPTURE(attach_and_detach, stage2, Stage::second);
BENCHMARK_CAPTURE(replace, stage1_stage1, Stage::first, Stage::first);
BENCHMARK_CAPTURE(replace, stage2_stage2, Stage::second, Stage::second);
BENCHMARK_CAPTURE(replace, stage1_stage2, Stage::first, Stage::second);

BENCHMARK_CAPTURE(pasid_attach_and_detach, beside, Place::beside);
BENCHMARK_CAPTURE(pasid_attach_and_detach, leaf, Place::leaf);
BENCHMARK_CAPTURE(pasid_attach_and_detach, alone, Place::alone);
BENCHMARK(pasid_replace);
BENCHMARK(a_million_pasids)->Iterations(1)->Unit(benchmark::kMillisecond);

BENCHMARK_CAPTURE(unmap, page_strict, kib4, kib4, true, false);
BENCHMARK_CAPTURE(unmap, page_strict_no_ranges, kib4, kib4, false, false);
BENCHMARK_CAPTURE(unmap, page_deferred, kib4, kib4, true, true);
BENCHMARK_CAPTURE(unmap, page_deferred_no_ranges, kib4, kib4, false, true);
BENCHMARK_CAPTURE(unmap, two_mib_of_pages_strict, mib2, kib4, true, false);
BENCHMARK_CAPTURE(unmap, two_mib_of_pages_strict_no_ranges, mib2, kib4, false, false);
BENCHMARK_CAPTURE(unmap, two_mib_of_pages_deferred, mib2, kib4, true, true);
BENCHMARK_CAPTURE(unmap, two_mib_block_strict, mib2, 0, true, false);
BENCHMARK_CAPTURE(unmap, two_mib_block_strict_no_ranges, mib2, 0, false, false);
BENCHMARK_CAPTURE(unmap, two_mib_block_deferred, mib2, 0, true, true);
BENCHMARK_CAPTURE(unmap, gib_of_two_mib_strict, gib, mib2, true, false);
BENCHMARK_CAPTURE(unmap, gib_of_two_mib_strict_no_ranges, gib, mib2, false, false);
BENCHMARK_CAPTURE(unmap, gib_of_two_mib_deferred, gib, mib2, true, true);
BENCHMARK_CAPTURE(unmap, gib_block_strict, gib, 0, true, false);
BENCHMARK_CAPTURE(unmap, gib_block_strict_no_ranges, gib, 0, false, false);
BENCHMARK_CAPTURE(unmap, gib_block_deferred, gib, 0, true, true);

} // namespace

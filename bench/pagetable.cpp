// Page tables: what a page costs. Items are pages; compare with the calibration line.
#include <sluice/hosted/port.hpp>
#include <sluice/pagetable/page_table.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>

namespace {

using namespace sluice;
using pagetable::Prot;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t batch = 512;       // pages in a call of the bulk benchmarks
constexpr std::uint64_t pages = 8 * batch; // in a round
constexpr std::uint64_t half_a_table = batch / 2 * page;
constexpr std::uint64_t pa = 1ULL << 40;

hosted::PortConfig port_config() {
  hosted::PortConfig config;
  config.arena.poison = false; // the price of a check, not of the arena
  return config;
}

// 4K pages, 48 bits, four levels: the most common table, and the one that the references were measured with.
struct Machine {
  explicit Machine(pagetable::Stage stage) : port{port_config()} {
    auto made = pagetable::make(port.memory, port.sync, {.stage = stage});
    table = std::move(*made);
  }

  hosted::Port port;
  pagetable::OwnedPageTable table;
};

pagetable::Stage stage_of(const benchmark::State& state) {
  return state.range(0) == 1 ? pagetable::Stage::one : pagetable::Stage::two;
}

template <class Body>
double seconds(Body body) {
  const auto begin = Clock::now();
  body();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Maps and unmaps a range in steps of `step` pages. With `release` each unmap is followed by what the driver does after
// its invalidation.
void map_round(pagetable::PageTable& table, std::uint64_t iova, std::uint64_t step) {
  for (std::uint64_t at = 0; at < pages; at += step) {
    benchmark::DoNotOptimize(table.map(iova + at * page, pa + at * page + page, step * page, Prot::read | Prot::write));
  }
}
void unmap_round(pagetable::PageTable& table, std::uint64_t iova, std::uint64_t step) {
  for (std::uint64_t at = 0; at < pages; at += step) {
    pagetable::Gather gather;
    benchmark::DoNotOptimize(table.unmap(iova + at * page, step * page, gather));
    table.release(gather);
  }
}

enum class Timed { map, unmap };

template <Timed timed>
void rounds(benchmark::State& state, std::uint64_t iova, std::uint64_t step) {
  Machine m{stage_of(state)};
  map_round(*m.table, iova, step);
  unmap_round(*m.table, iova, step);
  double best = 1;
  for (auto _ : state) {
    const double mapping = seconds([&] { map_round(*m.table, iova, step); });
    const double unmapping = seconds([&] { unmap_round(*m.table, iova, step); });
    const double took = timed == Timed::map ? mapping : unmapping;
    best = std::min(best, took);
    state.SetIterationTime(took);
  }
  state.counters["best_ns"] = best * 1e9 / pages;
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pages));
}

void map_4k(benchmark::State& state) { rounds<Timed::map>(state, half_a_table, 1); }
void unmap_4k(benchmark::State& state) { rounds<Timed::unmap>(state, half_a_table, 1); }
// Across the border of two tables, which stay.
void map_512(benchmark::State& state) { rounds<Timed::map>(state, half_a_table, batch); }
void unmap_512(benchmark::State& state) { rounds<Timed::unmap>(state, half_a_table, batch); }
// A whole table: each map allocates it and each unmap gives it up.
void map_table(benchmark::State& state) { rounds<Timed::map>(state, 1 << 30, batch); }
void unmap_table(benchmark::State& state) { rounds<Timed::unmap>(state, 1 << 30, batch); }

enum class Asked { at_once, each_after_the_other };

template <Asked asked>
void to_phys(benchmark::State& state) {
  Machine m{stage_of(state)};
  map_round(*m.table, half_a_table, batch);
  double best = 1;
  for (auto _ : state) {
    const double took = seconds([&] {
      std::uint64_t at = 0;
      for (std::uint64_t i = 0; i < pages; ++i) {
        auto found = m.table->iova_to_phys(half_a_table + at % pages * page);
        benchmark::DoNotOptimize(found);
        at += 67 + (asked == Asked::each_after_the_other ? *found >> 60 : 0);
      }
    });
    best = std::min(best, took);
    state.SetIterationTime(took);
  }
  state.counters["best_ns"] = best * 1e9 / pages;
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pages));
}
void iova_to_phys(benchmark::State& state) { to_phys<Asked::at_once>(state); }
void iova_to_phys_dependent(benchmark::State& state) { to_phys<Asked::each_after_the_other>(state); }

// One page after the other, each thread in a gigabyte of its own; items are maps and unmaps.
void disjoint(benchmark::State& state) {
  static std::unique_ptr<Machine> shared;
  if (state.thread_index() == 0) {
    shared = std::make_unique<Machine>(stage_of(state));
  }
  const auto iova = (static_cast<std::uint64_t>(state.thread_index()) << 30) + half_a_table;
  double best = 1;
  for (auto _ : state) {
    best = std::min(best, seconds([&] {
                      map_round(*shared->table, iova, 1);
                      unmap_round(*shared->table, iova, 1);
                    }));
  }
  state.counters["best_ns"] = benchmark::Counter(best * 1e9 / (2 * pages), benchmark::Counter::kAvgThreads);
  state.SetItemsProcessed(state.iterations() * 2 * static_cast<std::int64_t>(pages));
}

BENCHMARK(map_4k)->Arg(1)->Arg(2)->ArgName("stage")->UseManualTime();
BENCHMARK(unmap_4k)->Arg(1)->Arg(2)->ArgName("stage")->UseManualTime();
BENCHMARK(map_512)->Arg(1)->Arg(2)->ArgName("stage")->UseManualTime();
BENCHMARK(unmap_512)->Arg(1)->Arg(2)->ArgName("stage")->UseManualTime();
BENCHMARK(map_table)->Arg(1)->ArgName("stage")->UseManualTime();
BENCHMARK(unmap_table)->Arg(1)->ArgName("stage")->UseManualTime();
BENCHMARK(iova_to_phys)->Arg(1)->Arg(2)->ArgName("stage")->UseManualTime();
BENCHMARK(iova_to_phys_dependent)->Arg(1)->ArgName("stage")->UseManualTime();
BENCHMARK(disjoint)->Arg(1)->ArgName("stage")->Threads(1)->Threads(2)->UseRealTime();

} // namespace

#pragma once

#include <sluice/machine/command_fault.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/scenario/changer.hpp>
#include <sluice/scenario/findings.hpp>
#include <sluice/scenario/team.hpp>
#include <sluice/scenario/verdict.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace sluice::scenario {

struct MainJobOptions {
  double seconds{5};         // of a run of free threads, and more where that is too short: run_length.hpp
  std::uint64_t changes{0};  // after so many replacements the run ends; 0: only by time
  std::uint64_t seed{1};     // of every choice that the run makes
  bool seeded{false};        // one thread at a time in an order given by the seed: repeats exactly
  bool store_buffers{false}; // of the explorer; seeded, and in the explore build
  machine::CommandFault fault{machine::CommandFault::none};
  std::function<void(const platform::Note&)> on_note{}; // of the driver's; any thread
};

// How far a run is.
struct MainJobProgress {
  double seconds{};
  std::uint64_t replaced{};
  std::uint64_t unmaps{};
  std::uint64_t moved{}; // bytes
};

struct MainJobReport {
  std::vector<Check> checks; // without Rule::work where that cannot be judged
  std::uint64_t seed{};
  bool seeded{};
  double seconds{}; // virtual, where the run was seeded
  ChangeCounts changes;
  TrafficSums traffic;
  std::uint64_t events_expected{}, events_unexpected{};
  BothSides commands, syncs, events;
  driver::Counters driver;
  model::Counters smmu;
  std::uint64_t spoiled{}; // commands, by the planted fault
  machine::Remains remains;

  bool holds() const;
};

// Traffic from two threads through one SMMU while a third replaces the domains under it, maps and unmaps. Ends at the
// first thing that is found wrong. `progress` is called now and then by the third. Throws hosted::SetupError.
MainJobReport run_main_job(const MainJobOptions& options,
                           const std::function<void(const MainJobProgress&)>& progress = {});

} // namespace sluice::scenario

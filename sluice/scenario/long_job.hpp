#pragma once

#include <sluice/machine/command_fault.hpp>
#include <sluice/scenario/findings.hpp>
#include <sluice/scenario/main_job.hpp>
#include <sluice/scenario/worker.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace sluice::scenario {

struct LongJobOptions {
  std::uint64_t seed{1};         // of every choice that the run makes
  std::size_t operations{20000}; // of all actors
  std::uint32_t actors{1};       // at most as many as there are targets
  bool seeded{true};             // one at a time in an order given by the seed, which repeats exactly; else threads
  bool adverse{true};            // the SMMU does whatever it may
  machine::CommandFault fault{machine::CommandFault::none};
  std::function<void(const platform::Note&)> on_note{}; // of the driver's; any thread
};

struct LongJobReport {
  std::vector<Check> checks;
  LongJobOptions options;
  std::size_t operations{}; // of the list
  double seconds{};         // virtual, where the run was seeded
  LongCounts counts;
  std::uint64_t events{}, events_explained{};
  std::uint64_t guests_events{}; // of those, told to guests
  std::uint64_t stale_uses{}, software_faults{};
  driver::Counters driver;
  model::Counters smmu;
  std::uint64_t spoiled{}; // commands, by the planted fault
  machine::Remains remains;

  bool holds() const;
  const Check* first_failure() const;
};

// Thousands of operations on devices, PASIDs, domains and processes' address spaces, drawn by chance, by several actors
// that make the traffic too. What each access may meet was noted before it began; the model's detectors watch. Ends at
// the first thing that is found wrong. Throws hosted::SetupError.
LongJobReport run_long_job(const LongJobOptions& options);
// The same with these operations.
LongJobReport run_operations(const LongJobOptions& options, std::span<const Operation> operations);

// The operations that run_long_job() does.
std::vector<Operation> operations_of(const LongJobOptions& options);

} // namespace sluice::scenario

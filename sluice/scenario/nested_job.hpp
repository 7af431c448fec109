#pragma once

#include <sluice/machine/host.hpp>
#include <sluice/scenario/changer.hpp>
#include <sluice/scenario/findings.hpp>
#include <sluice/scenario/hostile_guest.hpp>
#include <sluice/scenario/main_job.hpp>
#include <sluice/scenario/stall_traffic.hpp>
#include <sluice/scenario/team.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace sluice::scenario {

struct NestedJobOptions {
  double seconds{5};        // of a run of free threads, and more where that is too short: run_length.hpp
  std::uint64_t changes{0}; // after so many replacements the run ends; 0: only by time
  std::uint64_t seed{1};    // of every choice that the run makes
  bool seeded{false};       // one thread at a time in an order given by the seed
  bool hostile{true};       // with a second guest, which does what no driver does
  machine::HostFault fault{machine::HostFault::none};
  std::optional<vsmmu::HostFacts> elsewhere{}; // that the guest is to be able to move to
  // The second guest makes faults as fast as it can, the host's event queue is small, and so many events of a guest's
  // have a place in it; 0: any number.
  std::optional<unsigned> storm{};
};

struct NestedJobReport {
  std::vector<Check> checks;
  std::uint64_t seed{};
  bool seeded{};
  double seconds{};     // virtual, where the run was seeded
  ChangeCounts changes; // by the guest's driver
  TrafficSums traffic;
  std::uint64_t events_expected{}, events_unexpected{};
  BothSides commands, syncs, events; // the guest's driver, and its SMMU
  vsmmu::Counters guest;             // of its SMMU
  vsmmu::Counters other;             // of the hostile guest's
  HostileCounts hostile;
  StallCounts stalls;
  driver::Counters host;
  model::Counters hardware;
  std::uint64_t plugged{};          // pages that the monitor mapped for the guest, and unmapped, meanwhile
  std::uint64_t parents_replaced{}; // HWPTs that the guest's memory was in
  std::uint64_t restored{};         // times that its SMMU was saved and restored
  std::uint64_t spoiled{};          // commands, by the planted fault
  machine::Remains remains;

  bool holds() const;
};

// The main job once more, by a guest: its driver on a virtual SMMU, on iommufd and VFIO, on the host's driver, on the
// model. What the guest's driver attaches, replaces, maps and unmaps becomes nested tables and invalidations of the
// host's; what its devices do wrong comes back as its events. Throws hosted::SetupError.
NestedJobReport run_nested_job(const NestedJobOptions& options,
                               const std::function<void(const MainJobProgress&)>& progress = {});

} // namespace sluice::scenario

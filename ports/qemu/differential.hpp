#pragma once

#include <ports/qemu/virt.hpp>
#include <sluice/differential/contest.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sluice::ports::qemu {

struct DifferentialOptions {
  VirtOptions virt{};
  differential::ContestOptions contest{}; // QEMU itself says its version and StreamID
};

struct DifferentialReport {
  differential::ContestOptions options{};
  std::string smmu; // its ID registers
  differential::ContestReport contest;
  std::vector<differential::Verdict> verdicts;
  // For each departure that ends QEMU and that came up: whether one of its cases did.
  std::map<const differential::Departure*, bool> ended;
  double seconds{};

  bool passed() const;
};

// The model against stock QEMU's SMMUv3. Throws hosted::SetupError when QEMU does not start, or has another SMMU than
// those of the presets.
DifferentialReport run_differential(const DifferentialOptions& options,
                                    const std::function<void(std::uint64_t)>& progress = {});

} // namespace sluice::ports::qemu

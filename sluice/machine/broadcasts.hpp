#pragma once

#include <sluice/model/smmu.hpp>
#include <sluice/pagetable/gather.hpp>
#include <sluice/platform/time.hpp>

#include <cstdint>
#include <span>

namespace sluice::machine {

// What processors do when they invalidate a process's translations: they tell each other and all else that takes part,
// and wait until that is done. 3.17
class Broadcasts {
public:
  virtual ~Broadcasts() = default;
  // Errors: timed_out.
  virtual base::Status invalidate(std::uint16_t asid, std::span<const pagetable::Gather::Range> ranges) = 0;
};

// To one SMMU, from processors with their processes at EL1 or at EL2 with FEAT_VHE.
class SmmuBroadcasts final : public Broadcasts {
public:
  SmmuBroadcasts(model::Smmu& smmu, platform::Time& time, bool el2) : smmu_{smmu}, time_{time}, el2_{el2} {}
  base::Status invalidate(std::uint16_t asid, std::span<const pagetable::Gather::Range> ranges) override;

private:
  static constexpr std::uint64_t limit_us = 5'000'000;

  model::Smmu& smmu_;
  platform::Time& time_;
  bool el2_;
};

} // namespace sluice::machine

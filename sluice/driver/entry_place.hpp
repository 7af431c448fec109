#pragma once

#include <sluice/driver/plan.hpp>

namespace sluice::driver {

// Where the words of an STE or a CD are and how the SMMU learns of changes to them: all that differs between the two
// when a plan is carried out.
class EntryPlace {
public:
  virtual void store(const Step& step, iommu::Change& change) = 0;
  virtual void invalidate(iommu::Change& change) = 0;
  virtual void swing(iommu::Change& change) = 0;

protected:
  ~EntryPlace() = default;
};

// What the new entry points to, and who hears of changes there, is visible before the first word is stored. Never
// stops: a wait that runs out shows in Change::confirmed, and the rest is stored all the same.
iommu::Change carry_out(const Plan& plan, EntryPlace& place);

} // namespace sluice::driver

#include <sluice/driver/entry_place.hpp>

#include <sluice/base/fence.hpp>

namespace sluice::driver {

iommu::Change carry_out(const Plan& plan, EntryPlace& place) {
  iommu::Change change;
  change.hitless = plan.hitless();
  change.gap = plan.gap;
  base::dma_publish(); // 3.21.3
  for (const Step& step : plan.all()) {
    switch (step.kind) {
    case Step::Kind::store:
    case Step::Kind::store128:
      place.store(step, change);
      break;
    case Step::Kind::invalidate:
      place.invalidate(change);
      break;
    case Step::Kind::swing:
      place.swing(change);
      break;
    }
  }
  return change;
}

} // namespace sluice::driver

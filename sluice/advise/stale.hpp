#pragma once

#include <sluice/iommufd/context.hpp>
#include <sluice/model/stale_use.hpp>

namespace sluice::advise {

// Told of what a client's device has used although an invalidation should have taken it away. Any thread.
class StaleObserver {
public:
  virtual void on_stale_use(const iommufd::Placement& of, const model::StaleUse& use) = 0;

protected:
  ~StaleObserver() = default;
};

} // namespace sluice::advise

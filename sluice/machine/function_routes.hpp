#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/pcie/function.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/platform/time.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace sluice::machine {

// Which function behind an SMMU has which StreamID: the way of invalidations and page responses.
class FunctionRoutes {
public:
  FunctionRoutes(platform::Sync& sync, platform::Time& time) : sync_{sync}, time_{time} {}

  // While the function is used. No two with the same StreamID.
  void add(pcie::Function& function);
  // When it returns, no call of the function is under way and none comes any more.
  void remove(pcie::Function& function);

  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& invalidation);
  bool atc_completed(std::uint32_t stream, std::uint8_t tag);
  void page_response(const model::PageResponse& response);

private:
  struct Route {
    explicit Route(pcie::Function& f) : function{f} {}
    pcie::Function& function;
    base::Atomic<std::uint32_t> calls{0};
  };
  // Calls with the function of a StreamID, or with null.
  template <class Call>
  auto with(std::uint32_t stream, Call call);

  platform::Sync& sync_;
  platform::Time& time_;
  platform::SpinLock lock_; // of routes_
  std::vector<std::unique_ptr<Route>> routes_;
};

} // namespace sluice::machine

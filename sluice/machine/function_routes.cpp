#include <sluice/machine/function_routes.hpp>

#include <sluice/base/check.hpp>

#include <algorithm>

namespace sluice::machine {

using base::Order;
using platform::SpinGuard;

void FunctionRoutes::add(pcie::Function& function) {
  auto route = std::make_unique<Route>(function);
  const SpinGuard guard{sync_, lock_};
  base::check(std::none_of(routes_.begin(), routes_.end(),
                           [&](const auto& r) { return r->function.stream() == function.stream(); }));
  routes_.push_back(std::move(route));
}

void FunctionRoutes::remove(pcie::Function& function) {
  std::unique_ptr<Route> route;
  {
    const SpinGuard guard{sync_, lock_};
    const auto found =
        std::find_if(routes_.begin(), routes_.end(), [&](const auto& r) { return &r->function == &function; });
    if (found == routes_.end()) {
      return;
    }
    route = std::move(*found);
    routes_.erase(found);
  }
  while (route->calls.load(Order::acquire) != 0) { // none of them waits
    time_.relax();
  }
}

template <class Call>
auto FunctionRoutes::with(std::uint32_t stream, Call call) {
  Route* route = nullptr;
  {
    const SpinGuard guard{sync_, lock_};
    const auto found =
        std::find_if(routes_.begin(), routes_.end(), [&](const auto& r) { return r->function.stream() == stream; });
    if (found != routes_.end()) {
      route = found->get();
      route->calls.fetch_add(1, Order::relaxed);
    }
  }
  struct Leave {
    Route* route;
    ~Leave() {
      if (route != nullptr) {
        route->calls.fetch_sub(1, Order::release);
      }
    }
  } const leave{route};
  return call(route == nullptr ? nullptr : &route->function);
}

model::AtcAnswer FunctionRoutes::invalidate_atc(const model::AtcInvalidation& invalidation) {
  return with(invalidation.stream_id, [&](pcie::Function* f) {
    return f == nullptr ? model::AtcAnswer::unsupported : f->invalidate_atc(invalidation);
  });
}

bool FunctionRoutes::atc_completed(std::uint32_t stream, std::uint8_t tag) {
  return with(stream, [&](pcie::Function* f) { return f == nullptr || f->atc_completed(tag); });
}

void FunctionRoutes::page_response(const model::PageResponse& response) {
  with(response.stream_id, [&](pcie::Function* f) {
    if (f != nullptr) {
      f->page_response(response);
    }
  });
}

} // namespace sluice::machine

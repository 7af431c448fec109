#include <sluice/iommu/unit.hpp>

namespace sluice::iommu {

using base::Errc;

void Domain::set_fault_handler(FaultHandler* handler) {
  handler_.store(handler, base::Order::release);
  unit_.platform_.sync.reclaim(); // the handler before may be running in a read section
}

bool Domain::report(const Fault& fault) const {
  FaultHandler* handler = handler_.load(base::Order::acquire);
  if (handler == nullptr) {
    return false;
  }
  handler->on_fault(fault);
  return true;
}

base::Status Domain::set_page_request_handler(PageRequestHandler* handler) {
  if (!serves_) {
    return Errc::unsupported;
  }
  requests_.store(handler, base::Order::release);
  unit_.platform_.sync.reclaim();
  unit_.settle_page_requests(*this);
  return {};
}

bool Domain::deliver(const PageRequestGroup& group) const {
  PageRequestHandler* handler = requests_.load(base::Order::acquire);
  if (handler == nullptr) {
    return false;
  }
  handler->on_page_requests(group);
  return true;
}

base::Status Domain::destroy() {
  auto& sync = unit_.platform_.sync;
  const platform::MutexGuard guard{sync, unit_.mutex_};
  if (users_.load(base::Order::acquire) != 0) {
    return Errc::in_use;
  }
  sync.reclaim(); // a fault that is being reported may name this domain
  release();
  return {};
}

} // namespace sluice::iommu

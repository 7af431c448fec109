#include <sluice/base/fence.hpp>
#include <sluice/driver/device.hpp>
#include <sluice/driver/paging_domain.hpp>

// A process has the ASID of a domain: the domain takes another one.
namespace sluice::driver {

using base::Errc;
using base::Order;
using base::Status;
using iommu::Change;

Status PagingDomain::change_asid() {
  if (unclean_.load(Order::relaxed) != 0) {
    return Errc::busy;
  }
  const auto next = parts_.asids.take();
  if (!next) {
    return next.error();
  }
  const Tag before = tag();
  tags_.store(std::uint32_t{before.id} << 16 | *next, Order::relaxed);
  base::full_fence(); // both are known before the first CD says the new one: see tell()
  Change change;
  for (const Listener* l = audience_.first(); l != nullptr; l = l->next()) {
    l->device()->retag(l->heard_at(), *next, change);
  }
  if (audience_.anybody()) { // the CDs are known: nothing of the old one comes any more
    CommandBatch batch{parts_.commands};
    batch.add(invalidate_all(before));
    static_cast<void>(batch.finish(change));
  }
  if (!change.confirmed) {
    distrust();
    return Errc::timed_out;
  }
  tags_.store(*next, Order::release);
  parts_.asids_moved.fetch_add(1, Order::relaxed);
  return {};
}

} // namespace sluice::driver

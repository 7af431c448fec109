#include <sluice/driver/smmu.hpp>

#include <sluice/driver/device.hpp>
#include <sluice/driver/paging_domain.hpp>
#include <sluice/driver/sva_domain.hpp>
#include <sluice/platform/pci_translation.hpp>

namespace sluice::driver {

using base::Errc;
using base::Order;
using base::Result;
using base::Status;

Smmu::Smmu(const platform::Platform& platform, platform::Owned<Parts> parts)
    : iommu::Unit{platform}, parts_{std::move(parts)}, identity_{*this, *parts_, iommu::DomainType::identity},
      blocked_{*this, *parts_, iommu::DomainType::blocked}, events_{platform.memory, parts_->registers, parts_->health},
      event_handler_{*this, &Smmu::on_event_wire}, gerror_handler_{*this, &Smmu::look_at_errors},
      page_request_handler_{*this, &Smmu::read_page_requests} {
  parts_->idle = parts_->config.idle == Idle::identity ? &identity_ : &blocked_;
}

Counters Smmu::counters() const {
  const auto changes = [&](Way way) { return parts_->changes[static_cast<std::size_t>(way)].load(Order::relaxed); };
  Counters c;
  c.commands = parts_->commands.commands();
  c.syncs = parts_->commands.syncs();
  c.doorbells = parts_->commands.doorbells();
  c.command_errors = parts_->commands.failures();
  c.timeouts = parts_->health.timeouts();
  c.changes_in_place = changes(Way::in_place);
  c.changes_store128 = changes(Way::store128);
  c.changes_swung = changes(Way::swing);
  c.changes_disruptive = changes(Way::disruptive);
  c.invalidations_by_page = parts_->invalidations.pages.load(Order::relaxed);
  c.invalidations_by_range = parts_->invalidations.ranges.load(Order::relaxed);
  c.invalidations_of_all = parts_->invalidations.everything.load(Order::relaxed);
  c.asids_moved = parts_->asids_moved.load(Order::relaxed);
  c.atc_invalidations = parts_->commands.atc_invalidations();
  c.stalls = stalls_.load(Order::relaxed);
  c.events = events_.records();
  c.events_unknown = unknown_streams_.load(Order::relaxed);
  c.events_unhandled = unhandled_.load(Order::relaxed);
  c.events_of_guests = guest_events_.load(Order::relaxed);
  c.guests_cut_off = parts_->cut_off.load(Order::relaxed);
  c.event_overflows = events_.overflows();
  c.pages_requested = parts_->page_request_queue.records();
  c.page_requests_unknown = parts_->page_request_queue.unknown();
  c.page_request_overflows = parts_->page_request_queue.overflows();
  c.global_errors = global_errors_.load(Order::relaxed);
  c.page_requests = parts_->page_requests.counters();
  return c;
}

Result<iommu::Domain*> Smmu::make_paging(const iommu::PagingOptions& options) {
  return PagingDomain::make(*this, mutex(), *parts_, options);
}

Result<iommu::Domain*> Smmu::make_sva(iommu::AddressSpace& space) {
  return SvaDomain::make(*this, mutex(), *parts_, space);
}

Result<iommu::Device*> Smmu::add(platform::PciFunction* function, std::span<const StreamID> streams,
                                 const DeviceFacts& facts) {
  if (streams.empty()) {
    return Errc::invalid_argument;
  }
  for (const StreamID sid : streams) {
    if (!parts_->streams.holds(sid)) {
      return Errc::too_large;
    }
  }
  if (failed()) {
    return Errc::smmu_failed;
  }
  DeviceFacts known = facts;
  if (function != nullptr) {
    const platform::PciTranslation pci{*function};
    known.pasid_bits = pci.has_pasid() ? pci.pasid_bits() : known.pasid_bits;
  }
  auto made = SmmuDevice::make(*this, *parts_, function, known, streams);
  if (!made) {
    return made.error();
  }
  SmmuDevice& device = **made;
  Status added;
  {
    const platform::MutexGuard guard{platform().sync, mutex()};
    block_failed();
    added = add_locked(device);
  }
  if (!added) {
    device.destroy();
    return added.error();
  }
  return &device;
}

void Smmu::block_failed() {
  for (SmmuDevice* d = parts_->due.exchange(nullptr, Order::acquire); d != nullptr;) {
    SmmuDevice* next = d->next_due;
    d->block();
    d = next;
  }
}

Status Smmu::add_locked(SmmuDevice& device) {
  const auto sids = device.sids();
  for (const StreamID sid : sids) {
    if (parts_->streams.owner(sid) != nullptr) {
      return Errc::shares_stream;
    }
  }
  const auto linked = link_leaves(sids);
  if (!linked) {
    return linked;
  }
  device.take_over();
  if (!device.go_idle().confirmed) {
    parts_->writer.block(sids);
    return Errc::timed_out;
  }
  for (const StreamID sid : sids) {
    parts_->streams.set_owner(sid, &device);
  }
  device.borrow_credits();
  device.next_device = std::exchange(parts_->devices, &device);
  return {};
}

// All leaves are allocated before the first of them is linked.
Status Smmu::link_leaves(std::span<const StreamID> sids) {
  auto& streams = parts_->streams;
  Leaf* made = nullptr;
  Status status;
  std::uint32_t last = ~0U;
  for (const StreamID sid : sids) { // sorted
    const std::uint32_t number = streams.leaf_of(sid);
    if (number == last || streams.leaf(number) != nullptr) {
      continue;
    }
    last = number;
    const auto leaf = Leaf::make(platform().memory, streams.leaf_bits());
    if (!leaf) {
      status = leaf.error();
      break;
    }
    (*leaf)->number = number;
    (*leaf)->next = made;
    made = *leaf;
  }
  while (made != nullptr) {
    Leaf* next = made->next;
    if (!status) {
      made->destroy(platform().memory);
    } else if (!parts_->writer.link(made->number, *made).confirmed) {
      status = Errc::timed_out;
      for (Leaf* rest = next; rest != nullptr;) {
        Leaf* after = rest->next;
        rest->destroy(platform().memory);
        rest = after;
      }
      return status;
    }
    made = next;
  }
  return status;
}

Status Smmu::remove(iommu::Device& device) {
  auto& d = static_cast<SmmuDevice&>(device);
  {
    const platform::MutexGuard guard{platform().sync, mutex()};
    if (d.group() != nullptr || d.vdevice() != nullptr) {
      return Errc::busy;
    }
    block_failed();
    static_cast<void>(d.leave()); // a time-out has marked the SMMU failed; the device's own memory is not reached by it
    for (const StreamID sid : d.sids()) {
      parts_->streams.set_owner(sid, nullptr);
    }
    parts_->page_requests.settle(d, iommu::PageResponse::failed);
    d.return_credits();
    SmmuDevice** link = &parts_->devices;
    while (*link != &d) {
      link = &(*link)->next_device;
    }
    *link = d.next_device;
    if (d.function() != nullptr) { // 7.8.9.3: its ATS is off by now
      static_cast<void>(platform::PciTranslation{*d.function()}.disable_pasid());
    }
  }
  platform().sync.reclaim(); // an event that is being reported may name it
  parts_->page_requests.forget(d);
  if (d.failed()) { // those domains that could not be told have its StreamIDs in their audience
    const platform::MutexGuard guard{platform().sync, mutex()};
    parts_->held.add(d);
  } else {
    d.destroy();
  }
  return {};
}

} // namespace sluice::driver

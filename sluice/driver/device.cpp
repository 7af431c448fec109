#include <sluice/driver/device.hpp>

#include <sluice/base/fence.hpp>

namespace sluice::driver {

using base::Errc;
using base::Order;
using base::Result;
using base::Status;
using iommu::Attachment;
using iommu::Change;

RidAttachment::RidAttachment(iommu::Device& device, SmmuDomain& domain, Parts& parts)
    : Attachment{device, domain, iommu::Target::rid()},
      Held{nullptr, [](Held& self) { static_cast<RidAttachment&>(self).destroy(); }}, domain_{domain}, parts_{parts} {}

RidAttachment::~RidAttachment() {
  if (seats != nullptr) {
    domain_.audience()->abandon(*seats, seat_count);
  }
}

void RidAttachment::destroy() { platform::Owned<RidAttachment>{parts_.platform.memory, this}.reset(); }

Status RidAttachment::prepare(std::span<const StreamID> sids, const iommu::Options& options) {
  auto made = domain_.rid_entry(static_cast<const SmmuDevice&>(device()));
  if (!made) {
    return made.error();
  }
  entry = std::move(*made);
  plan = parts_.writer.plan(sids[0], entry.ste, parts_.facts, true);
  if (options.require_hitless && !plan.hitless()) {
    return Errc::not_hitless;
  }
  if (plan.way == Way::swing) {
    const auto reserved = spares.reserve(parts_.platform.memory, parts_.streams, sids);
    if (!reserved) {
      return reserved;
    }
  }
  if (Audience* audience = domain_.audience()) {
    auto array = audience->prepare(sids.size());
    if (!array) {
      return array.error();
    }
    seats = *array;
    seat_count = sids.size();
  }
  return {};
}

namespace {
// `sids`, in order and each once, in `to`.
std::span<StreamID> sorted(std::span<const StreamID> sids, StreamID* to) {
  std::size_t count = 0;
  for (const StreamID sid : sids) {
    std::size_t at = count;
    while (at > 0 && to[at - 1] > sid) {
      --at;
    }
    if (at > 0 && to[at - 1] == sid) {
      continue;
    }
    for (std::size_t i = count++; i > at; --i) {
      to[i] = to[i - 1];
    }
    to[at] = sid;
  }
  return {to, count};
}
} // namespace

SmmuDevice::SmmuDevice(iommu::Unit& unit, Parts& parts, platform::PciFunction* function, const DeviceFacts& facts,
                       std::span<StreamID> sids, std::size_t room)
    : iommu::Device{unit}, parts_{parts}, function_{function}, facts_{facts}, sids_{sids}, room_{room},
      domain_{parts.idle} {}

SmmuDevice::~SmmuDevice() { parts_.platform.memory.free(sids_.data(), room_ * sizeof(StreamID)); }

Result<SmmuDevice*> SmmuDevice::make(iommu::Unit& unit, Parts& parts, platform::PciFunction* function,
                                     const DeviceFacts& facts, std::span<const StreamID> sids) {
  auto& memory = parts.platform.memory;
  auto room = memory.alloc(sids.size_bytes());
  if (!room) {
    return room.error();
  }
  const std::span<StreamID> copy = sorted(sids, static_cast<StreamID*>(*room));
  auto device = platform::make<SmmuDevice>(memory, unit, parts, function, facts, copy, sids.size());
  if (!device) {
    memory.free(*room, sids.size_bytes());
    return device.error();
  }
  return device->release();
}

void SmmuDevice::destroy() { platform::Owned<SmmuDevice>{parts_.platform.memory, this}.reset(); }

Result<Attachment*> SmmuDevice::prepare(iommu::Domain& domain, iommu::Target target, Attachment*,
                                        const iommu::Options& options) {
  if (parts_.health.failed()) {
    return Errc::smmu_failed;
  }
  if (failed_) {
    return Errc::device_failed;
  }
  if (!target.is_rid()) {
    return Errc::unsupported;
  }
  auto& smmu_domain = static_cast<SmmuDomain&>(domain);
  const auto accepted = smmu_domain.accepts(*this);
  if (!accepted) {
    return accepted.error();
  }
  auto next = platform::make<RidAttachment>(parts_.platform.memory, *this, smmu_domain, parts_);
  if (!next) {
    return next.error();
  }
  const auto prepared = (*next)->prepare(sids_, options);
  if (!prepared) {
    return prepared.error();
  }
  return next->release();
}

void SmmuDevice::abandon(Attachment& next) { static_cast<RidAttachment&>(next).destroy(); }

Change SmmuDevice::commit(Attachment& attachment, Attachment* old) {
  auto& next = static_cast<RidAttachment&>(attachment);
  // Who unmaps finds us before the SMMU can find the domain's tables.
  if (next.seats != nullptr) {
    next.smmu_domain().audience()->publish(*std::exchange(next.seats, nullptr), sids_, 0);
  }
  Change change = parts_.writer.apply(next.plan, next.entry.ste, sids_, next.spares);
  parts_.count(next.plan.way);
  if (!change.hitless) {
    parts_.health.warn(Code::change_disruptive, sids_[0], static_cast<std::uint64_t>(change.gap));
  }
  domain_.store(&next.smmu_domain(), Order::release);
  // What waits for the old domain may find its page in the new one, and waits there if not.
  parts_.page_requests.settle(*this, next.target(), iommu::PageResponse::served);
  if (change.confirmed) {
    next.spares.free();
  } else {
    next.spares.hold(parts_.held);
  }
  if (old != nullptr) {
    let_go(static_cast<RidAttachment&>(*old), change);
  }
  if (!change.confirmed) {
    quarantine();
  }
  return change;
}

Change SmmuDevice::detach_and_free(Attachment& old) {
  Change change = move_to(parts_.idle->ste());
  change.confirmed = change.confirmed && !failed_; // memory may say so already, but the SMMU has not
  domain_.store(parts_.idle, Order::release);
  parts_.page_requests.settle(*this, old.target(), iommu::PageResponse::failed);
  let_go(static_cast<RidAttachment&>(old), change);
  if (!change.confirmed) {
    quarantine();
  }
  return change;
}

Change SmmuDevice::move_to(const arch::Ste& ste) {
  const Plan plan = parts_.writer.plan(sids_[0], ste, parts_.facts, false);
  SpareTables none;
  const Change change = parts_.writer.apply(plan, ste, sids_, none);
  parts_.count(plan.way);
  return change;
}

// `change` says whether the SMMU has let go of it too. If not, its domain keeps it in the audience: who unmaps there
// has to learn that nobody is told.
void SmmuDevice::let_go(RidAttachment& old, Change& change) {
  if (!change.confirmed) {
    old.smmu_domain().distrust();
    return parts_.held.add(old);
  }
  if (Audience* audience = old.smmu_domain().audience()) {
    if (audience->remove(sids_, 0)) {
      old.smmu_domain().flush(change);
    }
  }
  old.destroy();
}

// Rule 2: the change is complete in memory, but nobody knows what the SMMU makes of it.
void SmmuDevice::quarantine() {
  failed_ = true;
  parts_.writer.block(sids_);
  parts_.health.error(Code::device_failed, sids_[0]);
}

Change SmmuDevice::go_idle() { return move_to(parts_.idle->ste()); }

Change SmmuDevice::leave() {
  Change change = detach_rid();
  change += move_to(abort_ste());
  return change;
}

} // namespace sluice::driver

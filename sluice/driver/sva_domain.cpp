#include <sluice/driver/sva_domain.hpp>

#include <sluice/arch/features.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/driver/atc.hpp>
#include <sluice/driver/device.hpp>
#include <sluice/driver/paging_domain.hpp>

namespace sluice::driver {

using base::Errc;
using base::Order;
using base::Result;
using base::Status;
using iommu::Change;
using iommu::TableFormat;
using namespace arch;

namespace {

// Whether this SMMU walks the table as the processor does.
Result<Granule> walkable(const Parts& parts, const TableFormat& format) {
  const Capabilities& c = parts.capabilities;
  const auto httu = static_cast<unsigned>(c.id.idr0.get(IDR0::HTTU));
  const bool flags = (!format.access_flag_by_hw || httu >= 1) && (!format.dirty_by_hw || httu >= 2);
  const bool sizes =
      format.input_bits >= 25 && format.input_bits <= c.virtual_bits && format.output_bits <= c.output_bits;
  if (!c.stage1 || !parts.facts.coherent || !flags || !sizes) {
    return Errc::unsupported;
  }
  for (const Granule g : {Granule::k4, Granule::k16, Granule::k64}) {
    if (granule_bits(g) == format.granule_bits && has_granule(c.id, g)) {
      return g;
    }
  }
  return Errc::unsupported;
}

pagetable::Fields fields_of(const TableFormat& format, Granule granule) {
  pagetable::Fields f;
  f.TTB = format.root;
  f.T0SZ = 64 - format.input_bits;
  f.TG0 = tg0(granule);
  f.PS = address_size(format.output_bits);
  f.IR = f.OR = Cacheability::write_back;
  f.SH = Shareability::inner;
  f.HA = format.access_flag_by_hw;
  f.HD = format.dirty_by_hw;
  return f;
}

iommu::Geometry geometry_of(const TableFormat& format) {
  return {0, (1ULL << format.input_bits) - 1, 1ULL << format.granule_bits, (1ULL << format.output_bits) - 1};
}

} // namespace

Result<iommu::Domain*> SvaDomain::make(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts,
                                       iommu::AddressSpace& space) {
  if (parts.health.failed()) {
    return Errc::smmu_failed;
  }
  const TableFormat format = space.format();
  const auto granule = walkable(parts, format);
  if (!granule) {
    return granule.error();
  }
  const platform::MutexGuard guard{parts.platform.sync, mutex};
  for (const SvaDomain* d = parts.sva; d != nullptr; d = d->next_) {
    if (&d->space_ == &space) {
      return Errc::already_exists;
    }
  }
  auto made = platform::make<SvaDomain>(parts.platform.memory, unit, mutex, parts, space, format, *granule);
  const Status subscribed = made ? space.subscribe(**made) : Status{made.error()};
  if (!subscribed) {
    return subscribed.error();
  }
  parts.subscriptions.fetch_add(1, Order::relaxed);
  SvaDomain* domain = made->release();
  const Status named = domain->take_asid();
  if (!named) {
    domain->released_ = true;
    space.unsubscribe(*domain);
    return named.error();
  }
  domain->next_ = std::exchange(parts.sva, domain);
  return domain;
}

SvaDomain::SvaDomain(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts, iommu::AddressSpace& space,
                     const TableFormat& format, Granule granule)
    : SmmuDomain{unit, iommu::DomainType::sva, geometry_of(format), parts.capabilities.pages_wait()}, mutex_{mutex},
      parts_{parts}, space_{space}, fields_{fields_of(format, granule)}, mair_{format.mair}, granule_{granule},
      tag_{pagetable::Stage::one, 0, parts.facts.e2h, false} {}

Status SvaDomain::take_asid() {
  const std::uint16_t wanted = parts_.shares_asids() ? space_.asid() : 0;
  const auto shared = wanted != 0 ? take_shared(wanted) : false;
  if (!shared) {
    return shared.error();
  }
  shared_ = *shared;
  if (shared_) {
    tag_.id = wanted;
    return {};
  }
  const auto own = parts_.asids.take();
  tag_.id = own.ok() ? *own : 0;
  return own.ok() ? Status{} : Status{own.error()};
}

// False: somebody has it who cannot give it up, or the SMMU's ASIDs are shorter.
Result<bool> SvaDomain::take_shared(std::uint16_t asid) {
  for (const SvaDomain* d = parts_.sva; d != nullptr; d = d->next_) {
    if (d->shared_ && d->tag_.id == asid) {
      return Errc::invalid_argument;
    }
  }
  if (parts_.asids.claim(asid)) {
    return true;
  }
  for (PagingDomain* d = parts_.first_stages; d != nullptr; d = d->next_first_stage()) {
    if (d->tag().id == asid) {
      const Status moved = d->change_asid();
      return moved || moved == Errc::busy ? Result<bool>{moved.ok()} : Result<bool>{moved.error()};
    }
  }
  return false;
}

void SvaDomain::free_self() { platform::Owned<SvaDomain>{parts_.platform.memory, this}.reset(); }

Status SvaDomain::accepts(const SmmuDevice&, iommu::Target target) const {
  if (target.is_rid()) {
    return Errc::unsupported;
  }
  return ended_ ? Status{Errc::not_found} : Status{};
}

DomainEntry SvaDomain::entry(const SmmuDevice& device) const {
  const Stalls stalls{device.facts().may_stall, serves_page_requests()};
  return {DomainEntry::Kind::cd, {}, sva_cd(parts_.facts, tag_.id, fields_, mair_, stalls, shared_), {}};
}

// Of a table under the processors' ASID they have told the TLBs, but no endpoint (3.17). What follows otherwise is: the
// TLBs first, with a CMD_SYNC, then the endpoints, which may ask again at once.
Status SvaDomain::tell(std::uint64_t address, std::uint64_t size) {
  pagetable::Gather gather;
  gather.add(address, size, granule_bits(granule_), 0, true);
  Status told;
  if (shared_ && size != 0) {
    told = {};
  } else if (size == 0) {
    const Invalidation todo{tag_};
    parts_.invalidations.count(todo);
    told = parts_.commands.submit(todo.commands());
  } else {
    const Invalidation todo{gather, tag_, granule_, parts_.capabilities.range_invalidate};
    parts_.invalidations.count(todo);
    told = parts_.commands.submit(todo.commands());
  }
  if (told && audience_.any_atc()) {
    const platform::ReadSection section{parts_.platform.sync};
    told = tell_atcs(parts_.commands, audience_, gather.ranges());
  }
  if (!told) {
    distrust();
  }
  return told;
}

Status SvaDomain::changed(std::uint64_t address, std::uint64_t size) {
  base::full_fence(); // as in PagingDomain::unmap
  return audience_.anybody() ? tell(address, size) : Status{};
}

// Each CD stays valid, so that requests that still come do not fill the event queue, but walks nothing.
Status SvaDomain::ended() {
  const platform::MutexGuard guard{parts_.platform.sync, mutex_};
  if (released_) {
    return {};
  }
  ended_ = true;
  if (!audience_.anybody()) {
    return {};
  }
  Change change;
  for (const Listener* l = audience_.first(); l != nullptr; l = l->next()) {
    SmmuDevice& device = *l->device();
    device.rewrite(l->heard_at().value(), quiet_cd(parts_.facts, entry(device).cd), change);
  }
  const Status told = tell(0, 0);
  return told && !change.confirmed ? Status{Errc::timed_out} : told;
}

void SvaDomain::flush(Change& change) {
  CommandBatch batch{parts_.commands};
  batch.add(invalidate_all(tag_));
  if (!batch.finish(change)) {
    distrust();
  }
}

void SvaDomain::release() {
  SvaDomain** link = &parts_.sva;
  while (*link != this) {
    link = &(*link)->next_;
  }
  *link = next_;
  released_ = true;
  if (unclean_.load(Order::relaxed) == 0) {
    parts_.asids.give_back(tag_.id);
  } else {
    parts_.health.error(Code::tag_retired, 0, tag_.id);
  }
  space_.unsubscribe(*this);
}

// The process's table is not ours to hold back: whoever changed it has been told that nobody confirmed it.
void SvaDomain::unsubscribed() {
  Parts& parts = parts_;
  free_self();
  parts.subscriptions.fetch_sub(1, Order::release);
}

} // namespace sluice::driver

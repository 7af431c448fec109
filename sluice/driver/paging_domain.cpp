#include <sluice/driver/paging_domain.hpp>

#include <sluice/base/fence.hpp>
#include <sluice/driver/atc.hpp>
#include <sluice/driver/device.hpp>
#include <sluice/driver/paging_options.hpp>

namespace sluice::driver {

using base::Errc;
using base::Order;
using base::Progress;
using base::Result;
using base::Status;
using pagetable::Stage;

namespace {

pagetable::Prot prot_of(iommu::Prot prot) {
  using enum pagetable::Prot;
  pagetable::Prot p = none;
  p = prot.read ? p | read : p;
  p = prot.write ? p | write : p;
  p = prot.execute ? p | execute : p;
  p = prot.privileged ? p | privileged : p;
  p = prot.type == iommu::MemoryType::device ? p | mmio : p;
  p = prot.type == iommu::MemoryType::uncached ? p | noncoherent : p;
  return p;
}

} // namespace

Result<iommu::Domain*> PagingDomain::make(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts,
                                          const iommu::PagingOptions& options) {
  if (parts.health.failed()) {
    return Errc::smmu_failed;
  }
  if (options.dirty && !parts.facts.coherent) {
    return Errc::unsupported; // 3.13: updates are atomic only in cacheable tables
  }
  const auto config = paging_config(parts.capabilities, parts.config.stage, options);
  if (!config) {
    return config.error();
  }
  auto& memory = parts.platform.memory;
  auto table = pagetable::make(memory, parts.platform.sync, *config);
  if (!table) {
    return table.error();
  }
  const auto id = parts.tags(config->stage).take();
  if (!id) {
    return id.error();
  }
  const Tag tag{config->stage, *id, parts.facts.e2h, options.nest_parent};
  auto domain = platform::make<PagingDomain>(memory, unit, parts, options, tag, std::move(*table));
  if (!domain) {
    parts.tags(config->stage).give_back(*id);
    return domain.error();
  }
  PagingDomain* made = domain->release();
  if (config->stage == Stage::one) {
    const platform::MutexGuard guard{parts.platform.sync, mutex};
    made->next_ = std::exchange(parts.first_stages, made);
  }
  return made;
}

PagingDomain::PagingDomain(iommu::Unit& unit, Parts& parts, const iommu::PagingOptions& options, Tag tag,
                           pagetable::OwnedPageTable table)
    : SmmuDomain{unit, iommu::DomainType::paging, geometry_of(table->config()), options.page_requests},
      Held{nullptr, [](Held& self) { static_cast<PagingDomain&>(self).free_self(); }}, parts_{parts}, kind_{tag},
      tags_{tag.id}, table_{std::move(table)}, deferred_{parts.platform.sync} {}

void PagingDomain::release() {
  // Nobody is attached: there is nobody to be told, only tables to be freed.
  static_cast<void>(flush_unmaps());
  if (kind_.stage == Stage::one) {
    PagingDomain** link = &parts_.first_stages;
    while (*link != this) {
      link = &(*link)->next_;
    }
    *link = next_;
  }
  if (unclean_.load(Order::relaxed) == 0) {
    parts_.tags(kind_.stage).give_back(tag().id);
    return free_self();
  }
  parts_.health.error(Code::tag_retired, kind_.stage == Stage::one ? 0 : 1, tag().id);
  parts_.held.add(*this);
}

void PagingDomain::free_self() { platform::Owned<PagingDomain>{parts_.platform.memory, this}.reset(); }

Progress PagingDomain::map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size, iommu::Prot prot) {
  const platform::ReadSection section{parts_.platform.sync};
  return table_->map(iova, pa, size, prot_of(prot));
}

Result<std::uint64_t> PagingDomain::iova_to_phys(std::uint64_t iova) {
  const platform::ReadSection section{parts_.platform.sync};
  return table_->iova_to_phys(iova);
}

// Who attaches publishes himself and then stores his entry: either he is seen here, or his entry is stored after the
// table has changed.
bool PagingDomain::heard_by_anybody(const pagetable::Gather& gather) const {
  if (gather.empty()) {
    return false;
  }
  base::full_fence();
  return audience_.anybody();
}

Status PagingDomain::tell(const pagetable::Gather& gather, bool everything, Tag tag) {
  const Invalidation todo =
      everything ? Invalidation{tag}
                 : Invalidation{gather, tag, table_->config().granule, parts_.capabilities.range_invalidate};
  parts_.invalidations.count(todo);
  parts_.commands.count_inner_syncs(todo.syncs());
  return parts_.commands.submit(todo.commands());
}

// What devices have under either tag while the one takes the place of the other. Who changes it publishes both before
// he stores the first CD with the new one: either both are seen here, or that CD is stored after the table has changed;
// and who sees only the new one comes after all that had the old one has gone.
Status PagingDomain::tell(const pagetable::Gather& gather, bool everything) {
  const std::uint32_t tags = tags_.load(Order::acquire);
  Status told = tell(gather, everything, tag_of(tags));
  if (const std::uint32_t before = tags >> 16; told && before != 0) {
    told = tell(gather, everything, tag_of(before));
  }
  if (told && audience_.any_atc()) {
    const platform::ReadSection section{parts_.platform.sync};
    constexpr pagetable::Gather::Range all{};
    told = tell_atcs(parts_.commands, audience_, everything ? std::span{&all, 1} : gather.ranges());
  }
  if (!told) {
    distrust();
  }
  return told;
}

// The table first, then who may have seen it, told with one SYNC, then what it consisted of.
Progress PagingDomain::unmap(std::uint64_t iova, std::uint64_t size) {
  pagetable::Gather gather;
  Progress progress;
  bool anybody = false;
  {
    const platform::ReadSection section{parts_.platform.sync};
    progress = table_->unmap(iova, size, gather);
    anybody = heard_by_anybody(gather);
  }
  return finish(progress, gather, anybody);
}

Progress PagingDomain::finish(Progress progress, pagetable::Gather& gather, bool anybody) {
  if (anybody) {
    const Status told = tell(gather);
    if (!told) {
      table_->keep(gather);
      return {progress.done, told};
    }
  }
  table_->release(gather);
  return progress;
}

iommu::DeferredUnmap PagingDomain::unmap_deferred(std::uint64_t iova, std::uint64_t size) {
  pagetable::Gather gather;
  iommu::DeferredUnmap unmapped;
  bool anybody = false;
  {
    const platform::ReadSection section{parts_.platform.sync};
    unmapped.progress = table_->unmap(iova, size, gather);
    anybody = heard_by_anybody(gather);
  }
  if (!anybody) {
    table_->release(gather);
    return unmapped;
  }
  const auto added = deferred_.add(gather);
  unmapped.mark = added.mark;
  if (added.waiting >= parts_.config.deferred_unmaps) {
    const Status flushed = flush_unmaps();
    if (!flushed) {
      unmapped.progress.status = flushed;
    }
  }
  return unmapped;
}

// What another flush has in its hands is covered by telling everything, without waiting for that one.
Status PagingDomain::flush_unmaps() {
  pagetable::Gather gather;
  const auto taken = deferred_.take(gather);
  if (taken.nothing) {
    return {};
  }
  // Where nobody is attached any more, the tag has been flushed or the domain is distrusted.
  base::full_fence();
  bool anybody = false;
  {
    const platform::ReadSection section{parts_.platform.sync};
    anybody = audience_.anybody();
  }
  const Status told = anybody ? tell(gather, !taken.alone) : Status{};
  if (!told || unclean_.load(Order::relaxed) != 0) {
    table_->keep(gather);
    return told ? Status{Errc::smmu_failed} : told;
  }
  deferred_.confirm(taken.mark);
  table_->release(gather);
  return {};
}

void PagingDomain::flush(iommu::Change& change) {
  CommandBatch batch{parts_.commands};
  batch.add(invalidate_all(tag()));
  if (!batch.finish(change)) {
    distrust();
  }
}

DomainEntry PagingDomain::entry(const SmmuDevice& device) const {
  const Stalls stalls{device.facts().may_stall, serves_page_requests()};
  if (kind_.stage == Stage::two) {
    return {DomainEntry::Kind::whole, stage2_ste(parts_.facts, tag().id, table_->fields(), stalls), {}};
  }
  return {DomainEntry::Kind::cd, {}, stage1_cd(parts_.facts, tag().id, table_->fields(), stalls)};
}

} // namespace sluice::driver

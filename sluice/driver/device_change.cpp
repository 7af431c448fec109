#include <sluice/driver/atc.hpp>
#include <sluice/driver/device.hpp>
#include <sluice/platform/pci_translation.hpp>

// What is done to a device once it is prepared. Nothing here can fail or allocate.
namespace sluice::driver {

using base::Order;
using iommu::Attachment;
using iommu::Change;

Change SmmuDevice::apply(const Plan& plan, const arch::Ste& ste, SpareTables& spares) {
  cut_off_.is = false;
  const Change change = parts_.writer.apply(plan, ste, sids_, spares);
  parts_.count(plan.way);
  return change;
}

Change SmmuDevice::move_to(const arch::Ste& ste) {
  if (failed()) { // it stays blocked
    Change change;
    change.confirmed = false;
    return change;
  }
  SpareTables none;
  return apply(parts_.writer.plan(sids_[0], ste, parts_.facts, false), ste, none);
}

Change SmmuDevice::commit(Attachment& attachment, Attachment* old) {
  auto& next = static_cast<SmmuAttachment&>(attachment);
  const Path path = next.planned->path;
  const arch::Ste ste = path == Path::ste || path == Path::new_table ? next.planned->ste : parts_.writer.read(sids_[0]);
  const bool ats = wants_ats(ste, next.entry.no_ats);
  // Who unmaps finds us before the SMMU can find the domain's tables.
  if (Audience* audience = next.smmu_domain().audience()) {
    next.set_atc(ats);
    audience->add(next);
  }
  Change change;
  const bool was_cut_off = cut_off_.is;
  const bool served = old != nullptr && old->domain().serves_page_requests();
  serving_ += next.smmu_domain().serves_page_requests();
  serving_ -= served;
  const bool pri = ats && can_pri_ && serving_ != 0;
  if (!pri || (served && has_given_up_pages())) { // in the latter case it is enabled anew below
    stop_pri(iommu::PageResponse::served, change);
  }
  if (ats_ && !ats) {
    stop_ats(change);
  }
  const bool before = ats_;
  change += make_real(next);
  if (before) {
    invalidate_atc(next, change);
  } else if (ats && change.confirmed) {
    start_ats(change);
  }
  if (pri && !pri_ && ats_ && change.confirmed) {
    start_pri();
  }
  if (!change.hitless) {
    parts_.health.warn(Code::change_disruptive, sids_[0], static_cast<std::uint64_t>(change.gap));
  }
  if (next.target().is_rid()) {
    domain_.store(&next.smmu_domain(), Order::release);
  }
  // What waits for the old domain may find its page in the new one, and waits there if not.
  parts_.page_requests.settle(*this, next.target(), iommu::PageResponse::served);
  if (change.confirmed) {
    next.planned.reset();
  } else {
    parts_.held.add(*next.planned.release());
  }
  if (old != nullptr) {
    let_go(static_cast<SmmuAttachment&>(*old), change);
  }
  if (!change.confirmed || failed()) { // the latter: by somebody who unmapped meanwhile
    quarantine();
  } else if (was_cut_off) {
    stay_cut_off();
  }
  return change;
}

Change SmmuDevice::make_real(SmmuAttachment& next) {
  switch (next.planned->path) {
  case Path::ste: {
    const Change change = apply_ste(*next.planned);
    drop_table(change);
    return change;
  }
  case Path::rid_entry:
    return change_rid_beside_pasids(next);
  case Path::new_table:
    return adopt_table(next);
  case Path::new_leaf:
  case Path::entry:
    return write_entry(next);
  }
  return {};
}

// CD 0 is valid before S1DSS says that it is used, and is cleared when it says so no more. A request with SubstreamID
// 0, which no attachment can be of, meets that CD while S1DSS does not forbid it: the one exemption from rule 1 here.
Change SmmuDevice::change_rid_beside_pasids(SmmuAttachment& next) {
  const bool has_cd = next.entry.kind == Kind::cd;
  Change change = has_cd ? write_entry(next) : Change{};
  change += move_to(table_ste(*table(), next.entry.kind));
  if (!has_cd && table()->owner(0) != nullptr) {
    change += clear_entry(0);
  }
  return change;
}

Change SmmuDevice::adopt_table(SmmuAttachment& next) {
  CdTable& t = *std::exchange(next.planned->table, nullptr);
  const Change change = apply_ste(*next.planned);
  t.set_owner(next.target().value(), &next);
  if (rid_entry().kind == Kind::cd) {
    t.set_owner(0, rid());
    if (change.confirmed) {
      rid()->cd.reset();
    }
  }
  table_.store(&t, Order::release);
  return change;
}

Change SmmuDevice::write_entry(SmmuAttachment& next) {
  const SubstreamID ssid = next.target().value();
  CdTable& t = *table();
  Prepared& planned = *next.planned;
  Change change;
  if (planned.leaf != nullptr) {
    change = cds_.link(t, t.leaf_of(ssid), *std::exchange(planned.leaf, nullptr), sids_);
  } else {
    change = cds_.apply(planned.cd_plan, t, ssid, next.entry.cd, sids_, planned.spare);
    parts_.count(planned.cd_plan.way);
  }
  t.set_owner(ssid, &next);
  return change;
}

Change SmmuDevice::detach_and_free(Attachment& attachment) {
  auto& old = static_cast<SmmuAttachment&>(attachment);
  Change change;
  const bool served = old.domain().serves_page_requests();
  serving_ -= served;
  if (serving_ == 0) {
    stop_pri(iommu::PageResponse::invalid, change);
  } else if (served && has_given_up_pages()) {
    stop_pri(iommu::PageResponse::served, change);
  }
  change += old.target().is_rid() ? take_rid(old) : take_pasid(old);
  if (serving_ != 0 && can_pri_ && !pri_ && ats_ && change.confirmed) {
    start_pri();
  }
  change.confirmed = change.confirmed && !failed(); // memory may say so already, but the SMMU has not
  parts_.page_requests.settle(*this, old.target(), iommu::PageResponse::failed);
  let_go(old, change);
  if (!change.confirmed) {
    quarantine();
  }
  return change;
}

Change SmmuDevice::take_rid(SmmuAttachment& old) {
  Change change;
  if (!has_pasids()) {
    stop_ats(change);
    change += move_to(parts_.idle->ste());
    drop_table(change);
  } else {
    change = move_to(table_ste(*table(), parts_.idle->entry(*this).kind));
    if (table()->owner(0) != nullptr) {
      change += clear_entry(0);
    }
    invalidate_atc(old, change);
  }
  domain_.store(parts_.idle, Order::release);
  return change;
}

// The last PASID takes the table with it, unless the RID has a CD there.
Change SmmuDevice::take_pasid(SmmuAttachment& old) {
  const DomainEntry rid = rid_entry();
  if (table()->pasids() == 1 && rid.kind != Kind::cd) {
    Change change;
    stop_ats(change);
    change += move_to(rid.ste);
    drop_table(change);
    return change;
  }
  Change change = clear_entry(old.target().value());
  invalidate_atc(old, change);
  return change;
}

Change SmmuDevice::clear_entry(SubstreamID ssid) {
  CdTable& t = *table();
  const std::uint32_t number = t.leaf_of(ssid);
  t.set_owner(ssid, nullptr);
  if (t.leaf(number)->used == 0 && t.shape().two_levels()) {
    return drop_leaf(number);
  }
  Dma none;
  const Plan plan = cds_.plan(t.read(ssid), {}, false);
  return cds_.apply(plan, t, ssid, {}, sids_, none);
}

void SmmuDevice::rewrite(SubstreamID pasid, const arch::Cd& cd, Change& change) {
  Dma none;
  const Plan plan = cds_.plan(table()->read(pasid), cd, false);
  change += cds_.apply(plan, *table(), pasid, cd, sids_, none);
  if (ats_) {
    AtcBatch batch{parts_.commands};
    batch.add(*static_cast<SmmuAttachment*>(table()->owner(pasid)), atc_everything);
    static_cast<void>(batch.finish(change));
  }
}

// One store in any case.
void SmmuDevice::retag(iommu::Target target, std::uint16_t asid, Change& change) {
  SmmuAttachment& at = target.is_rid() ? *rid() : *static_cast<SmmuAttachment*>(table()->owner(target.value()));
  at.entry.cd.set(arch::Cd::ASID, asid);
  if (table() == nullptr) {
    return cds_.rewrite_lone(at.cd, at.entry.cd, sids_, change);
  }
  Dma none;
  const Plan plan = cds_.plan(table()->read(target.value()), at.entry.cd, false);
  change += cds_.apply(plan, *table(), target.value(), at.entry.cd, sids_, none);
}

Change SmmuDevice::drop_leaf(std::uint32_t number) {
  CdLeaf& leaf = *table()->leaf(number);
  const Change change = cds_.unlink(*table(), number, sids_);
  if (change.confirmed && !failed()) {
    leaf.retire(parts_.platform.sync);
  } else {
    parts_.held.add(leaf);
  }
  return change;
}

void SmmuDevice::drop_table(const Change& change) {
  CdTable* t = table();
  if (t == nullptr) {
    return;
  }
  table_.store(nullptr, Order::release);
  if (change.confirmed && !failed()) {
    t->retire(parts_.platform.sync);
  } else {
    parts_.held.add(*t);
  }
}

// `change` says whether the SMMU has let go of it too. If not, its domain keeps it in the audience: who unmaps there
// has to learn that nobody is told.
void SmmuDevice::let_go(SmmuAttachment& old, Change& change) {
  if (!change.confirmed) {
    old.smmu_domain().distrust();
    return parts_.held.add(old);
  }
  if (Audience* audience = old.smmu_domain().audience()) {
    if (audience->remove(old)) {
      old.smmu_domain().flush(change);
    }
  }
  old.retire();
}

// Rule 2: the change is complete in memory, but nobody knows what the SMMU makes of it.
void SmmuDevice::quarantine() {
  if (failed_.exchange(1) == 0) {
    parts_.health.error(Code::device_failed, sids_[0]);
  }
  block();
}

void SmmuDevice::block() {
  if (std::exchange(pri_, false)) {
    platform::PciTranslation{*function_}.disable_pri();
  }
  if (std::exchange(ats_, false)) {
    platform::PciTranslation{*function_}.disable_ats();
  }
  parts_.writer.block(sids_);
  if (!parts_.health.failed()) {
    Change told;
    parts_.writer.invalidate(sids_, told);
  }
}

Change SmmuDevice::go_idle() { return move_to(parts_.idle->ste()); }

Change SmmuDevice::leave() {
  Change change = detach_rid();
  for (SubstreamID p = 1; table() != nullptr;) {
    p = table()->next_pasid(p);
    if (p == 0) {
      break;
    }
    change += detach_locked(iommu::Target::pasid(p));
  }
  change += move_to(abort_ste());
  return change;
}

} // namespace sluice::driver

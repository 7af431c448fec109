#include <sluice/driver/device.hpp>

#include <sluice/platform/pci_translation.hpp>

namespace sluice::driver {

using base::Errc;
using base::Order;
using base::Result;
using base::Status;
using iommu::Attachment;

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
    : iommu::Device{unit}, Held{nullptr, [](Held& self) { static_cast<SmmuDevice&>(self).destroy(); }}, parts_{parts},
      function_{function}, facts_{facts}, sids_{sids}, room_{room},
      shape_{cd_shape(parts.capabilities, parts.config, facts.pasid_bits)}, cds_{parts.writer, parts.commands,
                                                                                 parts.platform.memory},
      can_ats_{parts.config.ats && parts.capabilities.ats && function != nullptr &&
               platform::PciTranslation{*function}.has_ats()},
      can_pri_{can_ask_for_pages()}, answers_name_pasids_{can_pri_ && shape_.bits != 0 &&
                                                          platform::PciTranslation{*function}.pasid_in_response()},
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

std::size_t SmmuDevice::regions(std::span<iommu::Region> into) const {
  std::size_t count = 0;
  const auto add = [&](const iommu::Region& region) {
    if (count < into.size()) {
      into[count] = region;
    }
    ++count;
  };
  add(parts_.config.msi_region);
  for (const iommu::Region& region : facts_.regions) {
    add(region);
  }
  return count;
}

void SmmuDevice::destroy() { platform::Owned<SmmuDevice>{parts_.platform.memory, this}.reset(); }

SmmuDomain* SmmuDevice::domain_at(bool has_pasid, std::uint32_t pasid) const {
  const CdTable* t = table();
  if (!has_pasid || t == nullptr) { // without a table of ours they are a guest's
    return domain_.load(Order::acquire);
  }
  const Attachment* owner = pasid != 0 ? t->owner(pasid) : nullptr;
  return owner != nullptr ? &static_cast<const SmmuAttachment*>(owner)->smmu_domain() : nullptr;
}

Attachment* SmmuDevice::find_pasid(std::uint32_t pasid) {
  const CdTable* t = table();
  return t != nullptr && pasid != 0 ? t->owner(pasid) : nullptr;
}

DomainEntry SmmuDevice::rid_entry() const { return rid() != nullptr ? rid()->entry : parts_.idle->entry(*this); }

arch::Ste SmmuDevice::table_ste(const CdTable& table, Kind rid) const {
  using arch::S1Dss;
  const S1Dss dss = rid == Kind::cd ? S1Dss::cd0 : rid == Kind::bypass ? S1Dss::bypass : S1Dss::terminate;
  return with_ats(
      driver::table_ste(parts_.facts, table.bus(), table.shape().format, table.shape().bits, dss, {facts_.may_stall}));
}

Result<Attachment*> SmmuDevice::prepare(iommu::Domain& domain, iommu::Target target, Attachment*,
                                        const iommu::Options& options) {
  if (parts_.health.failed()) {
    return Errc::smmu_failed;
  }
  if (failed()) {
    return Errc::device_failed;
  }
  auto& memory = parts_.platform.memory;
  auto made = platform::make<SmmuAttachment>(memory, *this, static_cast<SmmuDomain&>(domain), target, parts_);
  if (!made) {
    return made.error();
  }
  SmmuAttachment& next = *made->release();
  Status status = accepts(next);
  if (status) {
    status = reserve(next);
  }
  if (status && options.require_hitless && !next.planned->hitless()) {
    status = Errc::not_hitless;
  }
  if (!status) {
    next.destroy();
    return status.error();
  }
  return &next;
}

void SmmuDevice::abandon(Attachment& next) { static_cast<SmmuAttachment&>(next).destroy(); }

Status SmmuDevice::accepts(const SmmuAttachment& next) const {
  const auto accepted = next.smmu_domain().accepts(*this, next.target());
  if (!accepted) {
    return accepted;
  }
  if (next.target().is_rid()) {
    return next.entry.kind == Kind::whole && has_pasids() ? Errc::busy : Status{};
  }
  if (next.entry.kind != Kind::cd) {
    return Errc::unsupported;
  }
  return rid_entry().kind == Kind::whole ? Errc::busy : Status{};
}

Path SmmuDevice::path_of(const SmmuAttachment& next) const {
  if (next.target().is_rid()) {
    return has_pasids() ? Path::rid_entry : Path::ste;
  }
  if (table() == nullptr) {
    return Path::new_table;
  }
  return table()->leaf_for(next.target().value()) == nullptr ? Path::new_leaf : Path::entry;
}

Status SmmuDevice::reserve(SmmuAttachment& next) {
  auto planned = platform::make<Prepared>(parts_.platform.memory, parts_.platform.memory);
  if (!planned) {
    return planned.error();
  }
  next.planned = std::move(*planned);
  next.planned->path = path_of(next);
  switch (next.planned->path) {
  case Path::ste:
    return reserve_ste(next);
  case Path::rid_entry:
    if (next.entry.kind != Kind::cd) {
      return {};
    }
    return table()->leaf(0) == nullptr ? reserve_leaf(next) : reserve_entry(next);
  case Path::new_table:
    return reserve_table(next);
  case Path::new_leaf:
    return reserve_leaf(next);
  case Path::entry:
    return reserve_entry(next);
  }
  return {};
}

Status SmmuDevice::plan_ste(Prepared& planned) {
  planned.ste_plan = parts_.writer.plan(sids_[0], planned.ste, parts_.facts, true);
  return planned.ste_plan.way == Way::swing ? planned.stes.reserve(parts_.platform.memory, parts_.streams, sids_)
                                            : Status{};
}

Status SmmuDevice::reserve_ste(SmmuAttachment& next) {
  if (next.entry.kind == Kind::cd) {
    auto cd = Dma::make(parts_.platform.memory, arch::Cd::byte_size, arch::Cd::byte_size);
    if (!cd) {
      return cd.error();
    }
    next.cd = std::move(*cd);
    for (std::size_t i = 0; i < arch::Cd::word_count; ++i) {
      next.cd.words()[i].store(next.entry.cd.w[i], Order::relaxed);
    }
    if (!parts_.facts.coherent) {
      parts_.platform.memory.clean(next.cd.words(), next.cd.size());
    }
  }
  next.planned->ste = with_ats(next.lone_ste(parts_.facts, {facts_.may_stall}), next.entry.no_ats);
  return plan_ste(*next.planned);
}

Status SmmuDevice::reserve_table(SmmuAttachment& next) {
  auto made = CdTable::make(parts_.platform.memory, shape_);
  if (!made) {
    return made.error();
  }
  CdTable& t = *made->release();
  next.planned->table = &t;
  const auto put = [&](SubstreamID ssid, const arch::Cd& cd) -> Status {
    if (t.leaf_for(ssid) == nullptr) {
      const auto leaf = CdLeaf::make(parts_.platform.memory, shape_.leaf_bits());
      if (!leaf) {
        return leaf.error();
      }
      t.link(t.leaf_of(ssid), **leaf);
    }
    t.fill(*t.leaf_for(ssid), ssid, cd);
    return {};
  };
  const DomainEntry rid = rid_entry();
  Status status = put(next.target().value(), next.entry.cd);
  if (status && rid.kind == Kind::cd) {
    status = put(0, rid.cd);
  }
  if (!status) {
    return status;
  }
  next.planned->ste = table_ste(t, rid.kind);
  return plan_ste(*next.planned);
}

Status SmmuDevice::reserve_leaf(SmmuAttachment& next) {
  const auto leaf = CdLeaf::make(parts_.platform.memory, shape_.leaf_bits());
  if (!leaf) {
    return leaf.error();
  }
  next.planned->leaf = *leaf;
  table()->fill(**leaf, next.target().value(), next.entry.cd);
  return {};
}

Status SmmuDevice::reserve_entry(SmmuAttachment& next) {
  Prepared& planned = *next.planned;
  planned.cd_plan = cds_.plan(table()->read(next.target().value()), next.entry.cd, true);
  if (planned.cd_plan.way != Way::swing) {
    return {};
  }
  auto spare = CdLeaf::make_table(parts_.platform.memory, shape_.leaf_bits());
  if (!spare) {
    return spare.error();
  }
  planned.spare = std::move(*spare);
  return {};
}

} // namespace sluice::driver

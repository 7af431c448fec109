#pragma once

#include <sluice/driver/domain.hpp>
#include <sluice/driver/vdevices.hpp>
#include <sluice/iommu/device.hpp>

#include <span>

namespace sluice::driver {

// A domain at the RID of a device, and what was reserved for that.
class RidAttachment final : public iommu::Attachment, public Held {
public:
  RidAttachment(iommu::Device& device, SmmuDomain& domain, Parts& parts);
  ~RidAttachment();

  SmmuDomain& smmu_domain() const { return domain_; }
  // Errors: no_memory, not_hitless.
  base::Status prepare(std::span<const StreamID> sids, const iommu::Options& options);
  void destroy();

  Plan plan;
  RidEntry entry;
  SpareTables spares;
  Audience::Array* seats{}; // until it is published
  std::size_t seat_count{};

private:
  SmmuDomain& domain_;
  Parts& parts_;
};

// One requester with all its StreamIDs, whose STEs are always alike.
class SmmuDevice final : public iommu::Device {
public:
  SmmuDevice(iommu::Unit& unit, Parts& parts, platform::PciFunction* function, const DeviceFacts& facts,
             std::span<StreamID> sids, std::size_t room);
  ~SmmuDevice();
  // Errors: no_memory.
  static base::Result<SmmuDevice*> make(iommu::Unit& unit, Parts& parts, platform::PciFunction* function,
                                        const DeviceFacts& facts, std::span<const StreamID> sids);
  void destroy();

  // Sorted, each once.
  std::span<const StreamID> sids() const { return sids_; }
  platform::PciFunction* function() const { return function_; }
  const DeviceFacts& facts() const { return facts_; }
  // For faults; in a read section.
  SmmuDomain& domain() const { return *domain_.load(base::Order::acquire); }
  bool failed() const { return failed_; }
  // What a guest calls it, if one does; in a read section or with the unit's mutex held.
  Vdevice* vdevice() const { return vdevice_.load(base::Order::acquire); }

  // With the unit's mutex held:
  void set_vdevice(Vdevice* vdevice) { vdevice_.store(vdevice, base::Order::release); }
  iommu::Change go_idle(); // from the abort that new entries begin with
  iommu::Change leave();   // detaches everything and blocks
  iommu::Change detach_rid() { return detach_locked(iommu::Target::rid()); }

private:
  base::Result<iommu::Attachment*> prepare(iommu::Domain& domain, iommu::Target target, iommu::Attachment* old,
                                           const iommu::Options& options) override;
  iommu::Change commit(iommu::Attachment& next, iommu::Attachment* old) override;
  void abandon(iommu::Attachment& next) override;
  iommu::Change detach_and_free(iommu::Attachment& old) override;

  // In place, which is always possible to an STE that aborts or bypasses.
  iommu::Change move_to(const arch::Ste& ste);
  void let_go(RidAttachment& old, iommu::Change& change);
  void quarantine();

  Parts& parts_;
  platform::PciFunction* function_;
  DeviceFacts facts_;
  std::span<StreamID> sids_; // sorted, each once
  std::size_t room_;         // for how many there is memory
  base::Atomic<SmmuDomain*> domain_;
  base::Atomic<Vdevice*> vdevice_{nullptr};
  bool failed_{};
};

} // namespace sluice::driver

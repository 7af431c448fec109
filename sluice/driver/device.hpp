#pragma once

#include <sluice/driver/attachment.hpp>
#include <sluice/driver/cd_writer.hpp>
#include <sluice/driver/domain.hpp>
#include <sluice/driver/vdevices.hpp>
#include <sluice/iommu/device.hpp>

#include <span>

namespace sluice::driver {

// One requester with all its StreamIDs, whose STEs are always alike. Without PASIDs the RID's domain alone decides what
// the STE says; as long as there are some it points to a table of CDs, and S1DSS says what becomes of the RID.
class SmmuDevice final : public iommu::Device, public Held {
public:
  SmmuDevice(iommu::Unit& unit, Parts& parts, platform::PciFunction* function, const DeviceFacts& facts,
             std::span<StreamID> sids, std::size_t room);
  ~SmmuDevice();
  // Errors: no_memory.
  static base::Result<SmmuDevice*> make(iommu::Unit& unit, Parts& parts, platform::PciFunction* function,
                                        const DeviceFacts& facts, std::span<const StreamID> sids);
  void destroy();

  std::uint32_t max_pasids() const override { return shape_.bits != 0 ? 1U << shape_.bits : 0; }

  std::size_t regions(std::span<iommu::Region> into) const override;

  // Sorted, each once.
  std::span<const StreamID> sids() const { return sids_; }
  platform::PciFunction* function() const { return function_; }
  const DeviceFacts& facts() const { return facts_; }
  // For faults; in a read section. Null: this PASID is attached to nothing.
  SmmuDomain* domain_at(bool has_pasid, std::uint32_t pasid) const;
  bool failed() const { return failed_.load(base::Order::relaxed) != 0; }
  // Its endpoint has not answered an invalidation: it is to cache nothing any more, and whoever holds the unit's mutex
  // next blocks it. Any thread, in a read section.
  void fail_atc();
  // With the unit's mutex held: what fail_atc() left to do.
  void block();
  SmmuDevice* next_due{}; // while it is in Parts::due
  // With the unit's mutex held. 7.2.2: it aborts what comes and what has stalled, until it resumes.
  void terminate_stalls(iommu::Change& change);
  void resume(iommu::Change& change);
  SmmuDevice* next_device{}; // in Parts::devices
  // A handler's answer is that pages cannot be had: the function asks for no more. In a read section.
  void told_failure() { told_failure_.store(1); }
  // With the unit's mutex held, after the SMMU has failed to write page requests: if this device's was one, it asks
  // again.
  void restart_pri();
  // 10.5.2.3 PRG Response PASID Required
  bool answers_name_pasids() const { return answers_name_pasids_; }
  // What a guest calls it, if one does; in a read section or with the unit's mutex held.
  Vdevice* vdevice() const { return vdevice_.load(base::Order::acquire); }
  // It is to be cut off with its guest's others. Any thread.
  void set_loud() { loud_.store(1); }

  // With the unit's mutex held:
  void set_vdevice(Vdevice* vdevice) { vdevice_.store(vdevice, base::Order::release); }
  // Its PASIDs are enabled and its ATS is off, whatever it was left with.
  void take_over();
  // The page requests that it may have under way are taken from what all devices have.
  void borrow_credits();
  void return_credits();
  // Its CD at a PASID says `cd` from now on. Errors: those of the commands.
  void rewrite(SubstreamID pasid, const arch::Cd& cd, iommu::Change& change);
  // The CD of an attachment says another ASID from now on.
  void retag(iommu::Target target, std::uint16_t asid, iommu::Change& change);
  // What it records is too much: until it is heard again its requests abort without an event. Without CD tables of
  // ours, whose changes would be missed.
  void cut_off_if_loud();
  void hear_again();
  iommu::Change go_idle(); // from the abort that new entries begin with
  iommu::Change leave();   // detaches everything and blocks
  iommu::Change detach_rid() { return detach_locked(iommu::Target::rid()); }
  bool has_pasids() const override { return pasids() != 0; }

private:
  using Kind = DomainEntry::Kind;

  base::Result<iommu::Attachment*> prepare(iommu::Domain& domain, iommu::Target target, iommu::Attachment* old,
                                           const iommu::Options& options) override;
  iommu::Change commit(iommu::Attachment& next, iommu::Attachment* old) override;
  void abandon(iommu::Attachment& next) override;
  iommu::Change detach_and_free(iommu::Attachment& old) override;
  iommu::Attachment* find_pasid(std::uint32_t pasid) override;

  CdTable* table() const { return table_.load(base::Order::acquire); }
  std::uint32_t pasids() const { return table() != nullptr ? table()->pasids() : 0; }
  SmmuAttachment* rid() const { return static_cast<SmmuAttachment*>(rid_attachment()); }
  DomainEntry rid_entry() const;

  // What prepare checks and reserves.
  base::Status accepts(const SmmuAttachment& next) const;
  Path path_of(const SmmuAttachment& next) const;
  base::Status reserve(SmmuAttachment& next);
  base::Status reserve_ste(SmmuAttachment& next);
  base::Status reserve_table(SmmuAttachment& next);
  base::Status reserve_leaf(SmmuAttachment& next);
  base::Status reserve_entry(SmmuAttachment& next);
  base::Status plan_ste(Prepared& planned);

  // What commit and detach do; none of it can fail.
  iommu::Change make_real(SmmuAttachment& next);
  iommu::Change change_rid_beside_pasids(SmmuAttachment& next);
  iommu::Change adopt_table(SmmuAttachment& next);
  iommu::Change write_entry(SmmuAttachment& next);
  iommu::Change take_rid(SmmuAttachment& old);
  iommu::Change take_pasid(SmmuAttachment& old);
  iommu::Change clear_entry(SubstreamID ssid);
  iommu::Change drop_leaf(std::uint32_t number);
  void drop_table(const iommu::Change& change);
  // In place, which is always possible where the words that decide are one: from and to what does not translate, and
  // between STEs with the same table.
  iommu::Change move_to(const arch::Ste& ste);
  iommu::Change apply(const Plan& plan, const arch::Ste& ste, SpareTables& spares);
  iommu::Change apply_ste(Prepared& planned) { return apply(planned.ste_plan, planned.ste, planned.stes); }
  arch::Ste table_ste(const CdTable& table, Kind rid) const;
  void stay_cut_off();
  void let_go(SmmuAttachment& old, iommu::Change& change);
  void quarantine();

  // 3.9.2. Whether endpoints may cache what an STE says; the STE that says so; and turning it on, after the STE is
  // known, and off, before it is changed.
  bool wants_ats(const arch::Ste& ste, bool forbidden) const;
  arch::Ste with_ats(arch::Ste ste, bool forbidden = false) const;
  void start_ats(iommu::Change& change);
  void stop_ats(iommu::Change& change);
  void invalidate_atc(const Listener& listener, iommu::Change& change);
  // 10.5.2: the same of pages that endpoints ask for; what is under way is answered with `response`.
  bool can_ask_for_pages() const;
  bool may_stall() const;
  void start_pri();
  void stop_pri(iommu::PageResponse response, iommu::Change& change);
  bool has_given_up_pages() const;

  Parts& parts_;
  platform::PciFunction* function_;
  DeviceFacts facts_;
  std::span<StreamID> sids_; // sorted, each once
  std::size_t room_;         // for how many there is memory
  CdShape shape_;
  CdWriter cds_;
  const bool can_ats_;
  const bool can_pri_;
  const bool answers_name_pasids_;
  base::Atomic<SmmuDomain*> domain_; // of the RID
  base::Atomic<CdTable*> table_{nullptr};
  base::Atomic<Vdevice*> vdevice_{nullptr};
  arch::Ste resumed_ste_; // between terminate_stalls and resume
  bool ats_{};            // PCI ATS is enabled, and EATS is 1
  bool pri_{};            // and PRI
  base::Atomic<std::uint32_t> told_failure_{0};
  std::uint32_t credits_{};
  std::uint32_t serving_{}; // attachments to domains that serve page requests
  base::Atomic<std::uint32_t> loud_{0};
  struct CutOff {
    bool is{};
    bool ats{}, pri{}; // were on
    arch::Ste ste{};
  };
  CutOff cut_off_;
  base::Atomic<std::uint32_t> failed_{0};
};

} // namespace sluice::driver

#pragma once

#include <sluice/base/result.hpp>
#include <sluice/iommu/attachment.hpp>
#include <sluice/iommu/change.hpp>
#include <sluice/iommu/region.hpp>

#include <cstddef>
#include <span>

namespace sluice::iommu {

class Group;
class Unit;

// One requester behind a Unit. Without an attachment its requests go where the unit sends those of idle devices
// (blocked, unless the port asked for identity). Calls on one unit's devices wait for each other.
class Device {
public:
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  Unit& unit() const { return unit_; }
  Group* group() const { return group_; }
  // PASIDs from 1 to below this can be attached; 0: the device has none.
  virtual std::uint32_t max_pasids() const { return 0; }
  // Null: nothing is attached there.
  Domain* attached(Target target = {});

  // Writes as many as fit, and says how many there are.
  virtual std::size_t regions(std::span<Region>) const { return 0; }

  // A failed attach or replace has changed nothing. Errors of both:
  //   other_smmu (the domain is another unit's), invalid_argument (PASID 0: that is the RID), too_large (the PASID),
  //   unsupported (this domain on this target, or a PASID where there are none),
  //   busy (the device is in a group: use the group's calls; or other attachments forbid it),
  //   not_found (a nested domain, and its guest has no name for the device),
  //   not_hitless (options.require_hitless), no_memory, ids_exhausted,
  //   device_failed, smmu_failed (quarantined by an earlier time-out).
  // Errors of attach: already_attached. Errors of replace: not_attached.
  base::Result<Change> attach(Domain& domain, Target target = {}, const Options& options = {});
  base::Result<Change> replace(Domain& domain, Target target = {}, const Options& options = {});
  // Allocates nothing. Errors: not_attached, busy (in a group).
  base::Result<Change> detach(Target target = {});

protected:
  explicit Device(Unit& unit) : unit_{unit} {}
  ~Device() = default;

  // With the unit's mutex held, all of them.

  // Allocates and checks for `domain` in the place of `old` (null: nothing is attached): stores nothing that hardware
  // can reach, sends nothing. The state on which it decides cannot change before commit or abandon.
  virtual base::Result<Attachment*> prepare(Domain& domain, Target target, Attachment* old, const Options& options) = 0;
  // Makes `next` real and frees `old`; find_pasid() finds it then, if it is a PASID's. Cannot fail and allocates
  // nothing. Of several that are prepared the first is committed first.
  virtual Change commit(Attachment& next, Attachment* old) = 0;
  // Frees what prepare made.
  virtual void abandon(Attachment& next) = 0;
  // Back to the idle domain; frees `old`. Cannot fail and allocates nothing.
  virtual Change detach_and_free(Attachment& old) = 0;
  // Attachments of PASIDs live where the driver finds them.
  virtual Attachment* find_pasid(std::uint32_t) { return nullptr; }
  virtual bool has_pasids() const { return false; }

  // For the driver's removal: what is attached to the RID, if anything.
  Attachment* rid_attachment() const { return rid_; }
  // Detaches in whatever state; for removal. With the unit's mutex held.
  Change detach_locked(Target target);

private:
  friend class Group;

  bool has_attachments_locked() const { return rid_ != nullptr || has_pasids(); }
  Attachment* find(Target target) { return target.is_rid() ? rid_ : find_pasid(target.value()); }
  base::Status check(Target target) const;
  base::Result<Attachment*> prepare_locked(Domain& domain, Target target, bool replaces, const Options& options);
  Change commit_locked(Attachment& next);
  void abandon_locked(Attachment& next);
  base::Result<Change> change(Domain& domain, Target target, bool replaces, const Options& options);

  Unit& unit_;
  Attachment* rid_{};
  Group* group_{};
  Device* next_in_group_{};
};

} // namespace sluice::iommu

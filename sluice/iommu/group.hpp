#pragma once

#include <sluice/base/result.hpp>
#include <sluice/iommu/change.hpp>

namespace sluice::iommu {

class Device;
class Domain;
class Unit;

// Devices that cannot be told apart or kept apart, and so are always on the same domain: all of them are prepared
// before the first is changed.
class Group {
public:
  explicit Group(Unit& unit) : unit_{unit} {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group();

  Domain* attached(Target target = {});
  // Errors: other_smmu, busy (in a group), already_attached (the device or the group has an attachment).
  base::Status add(Device& device);
  // Errors: not_found, in_use (the group is attached).
  base::Status remove(Device& device);

  // As Device's, for all of them; a PASID's for those that have PASIDs, since the others make no requests with one.
  // Errors also: not_found (the group is empty).
  base::Result<Change> attach(Domain& domain, Target target = {}, const Options& options = {});
  base::Result<Change> replace(Domain& domain, Target target = {}, const Options& options = {});
  base::Result<Change> detach(Target target = {});

private:
  // The first from `device` on that a target is of; null: none.
  static Device* member(Device* device, Target target);
  base::Result<Change> change(Domain& domain, Target target, bool replaces, const Options& options);

  Unit& unit_;
  Device* first_{};
};

} // namespace sluice::iommu

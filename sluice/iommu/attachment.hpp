#pragma once

#include <sluice/iommu/change.hpp>

namespace sluice::iommu {

class Device;
class Domain;

// A domain at a target of a device. The driver's class owns what prepare reserved for it.
class Attachment {
public:
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  Domain& domain() const { return domain_; }
  Device& device() const { return device_; }
  Target target() const { return target_; }

protected:
  Attachment(Device& device, Domain& domain, Target target) : device_{device}, domain_{domain}, target_{target} {}
  ~Attachment() = default;

private:
  friend class Group;

  Device& device_;
  Domain& domain_;
  Target target_;
  Attachment* next_prepared_{}; // while a group is between prepare and commit
};

} // namespace sluice::iommu

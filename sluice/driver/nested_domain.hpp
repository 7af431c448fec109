#pragma once

#include <sluice/driver/domain.hpp>
#include <sluice/driver/guest_ste.hpp>
#include <sluice/driver/paging_domain.hpp>

namespace sluice::driver {

class Viommu;

// What a guest says in an STE of its own, on top of the guest's memory, which is the parent: the parent is told of who
// is attached, and its VMID is the tag of all that is cached.
class NestedDomain final : public SmmuDomain {
public:
  NestedDomain(iommu::Unit& unit, Parts& parts, Viommu& viommu, const GuestSte& guest);

  Viommu& viommu() const { return viommu_; }
  const GuestSte& guest() const { return guest_; }

  // Errors: not_found (stage 1, and the guest has no name for the device: nothing could be invalidated).
  base::Status accepts(const SmmuDevice& device, iommu::Target target) const override;
  DomainEntry entry(const SmmuDevice& device) const override;
  Audience* audience() override;
  void flush(iommu::Change& change) override;
  void distrust() override;

private:
  void release() override;

  Parts& parts_;
  Viommu& viommu_;
  GuestSte guest_;
};

} // namespace sluice::driver

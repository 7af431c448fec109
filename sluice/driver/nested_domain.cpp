#include <sluice/driver/nested_domain.hpp>

#include <sluice/driver/device.hpp>
#include <sluice/driver/viommu.hpp>

namespace sluice::driver {

using base::Errc;

NestedDomain::NestedDomain(iommu::Unit& unit, Parts& parts, Viommu& viommu, const GuestSte& guest)
    : SmmuDomain{unit, iommu::DomainType::nested, {}, /*serves_page_requests=*/true}, parts_{parts}, viommu_{viommu},
      guest_{guest} {
  viommu_.hold();
}

void NestedDomain::release() {
  viommu_.drop();
  platform::Owned<NestedDomain>{parts_.platform.memory, this}.reset();
}

base::Status NestedDomain::accepts(const SmmuDevice& device, iommu::Target) const {
  if (guest_.config != arch::SteConfig::stage1) {
    return {};
  }
  const Vdevice* vdevice = device.vdevice();
  return vdevice != nullptr && &vdevice->viommu == &viommu_ ? base::Status{} : Errc::not_found;
}

DomainEntry NestedDomain::entry(const SmmuDevice& device) const {
  // A guest that has not asked for ATS does not invalidate what endpoints cache of its stage 1.
  const bool no_ats = guest_.config == arch::SteConfig::stage1 && !guest_.wants_ats;
  return {DomainEntry::Kind::whole, merged_ste(guest_, viommu_.parent().entry(device).ste), {}, no_ats};
}

Audience* NestedDomain::audience() { return viommu_.parent().audience(); }

void NestedDomain::flush(iommu::Change& change) { viommu_.parent().flush(change); }

void NestedDomain::distrust() { viommu_.parent().distrust(); }

} // namespace sluice::driver

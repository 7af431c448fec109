#include <sluice/driver/paging_domain.hpp>
#include <sluice/driver/smmu.hpp>
#include <sluice/driver/viommu.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

// What guests get to know of an SMMU and to have of it.
namespace sluice::driver {

using base::Errc;
using base::Result;
namespace u = uapi::arm_smmuv3;

// As they were read: what a guest may rely on is for its monitor to choose.
Result<iommu::HwInfo> Smmu::hw_info(std::uint32_t type, std::span<std::byte> into) {
  if (type != 0 && type != u::hw_info_type) {
    return Errc::unsupported;
  }
  const auto& id = parts_->capabilities.id;
  const u::HwInfo info{0,
                       0,
                       {id.idr0.raw(), id.idr1.raw(), id.idr2.raw(), id.idr3.raw(), id.idr4.raw(), id.idr5.raw()},
                       id.iidr.raw(),
                       id.aidr.raw()};
  __builtin_memcpy(into.data(), &info, into.size() < sizeof info ? into.size() : sizeof info);
  return iommu::HwInfo{u::hw_info_type, sizeof info};
}

Result<iommu::Viommu*> Smmu::viommu_alloc(std::uint32_t type, iommu::Domain& parent, std::span<const std::byte> data) {
  // A guest may map memory as it likes; without S2FWB it would see, or have its devices see, what caches hide.
  const auto& c = parts_->capabilities;
  if (type != u::viommu_type || !data.empty() || !c.stage1 || !c.stage2 || !c.s2fwb) {
    return Errc::unsupported;
  }
  if (&parent.unit() != this) {
    return Errc::other_smmu;
  }
  if (parent.type() != iommu::DomainType::paging || !static_cast<PagingDomain&>(parent).nest_parent()) {
    return Errc::invalid_argument;
  }
  if (failed()) {
    return Errc::smmu_failed;
  }
  return Viommu::make(*this, mutex(), *parts_, static_cast<PagingDomain&>(parent));
}

} // namespace sluice::driver

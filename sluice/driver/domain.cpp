#include <sluice/driver/domain.hpp>

namespace sluice::driver {

using base::Errc;
using iommu::DomainType;

namespace {
iommu::Geometry everything(const Parts& parts) {
  const std::uint64_t last = (1ULL << parts.capabilities.output_bits) - 1; // 3.4: beyond is F_ADDR_SIZE
  return {0, last, ~0xfffULL, last};
}
} // namespace

StaticDomain::StaticDomain(iommu::Unit& unit, Parts& parts, DomainType type)
    : SmmuDomain{unit, type, everything(parts)}, parts_{parts} {
  hold(); // by its SMMU
}

arch::Ste StaticDomain::ste() const { return type() == DomainType::identity ? bypass_ste(parts_.facts) : abort_ste(); }

DomainEntry StaticDomain::entry(const SmmuDevice&) const {
  return {type() == DomainType::identity ? DomainEntry::Kind::bypass : DomainEntry::Kind::abort, ste(), {}};
}

base::Result<std::uint64_t> StaticDomain::iova_to_phys(std::uint64_t iova) {
  if (type() == DomainType::blocked) {
    return Errc::not_mapped;
  }
  if (iova > geometry().last) {
    return Errc::input_range;
  }
  return iova;
}

} // namespace sluice::driver

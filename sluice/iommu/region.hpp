#pragma once

#include <sluice/iommu/mapping.hpp>

#include <cstdint>

namespace sluice::iommu {

enum class RegionKind : std::uint8_t {
  direct,       // firmware has the device use this memory: map it one to one before the device is attached
  reserved,     // never map anything there
  software_msi, // left free for the doorbells of interrupt controllers, which software maps there
};

// IOVAs of a device that are not free for mappings.
struct Region {
  std::uint64_t first{};
  std::uint64_t last{};
  RegionKind kind{RegionKind::reserved};
  Prot prot{}; // of a direct one

  friend constexpr bool operator==(const Region&, const Region&) = default;
};

} // namespace sluice::iommu

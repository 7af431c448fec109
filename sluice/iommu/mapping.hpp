#pragma once

#include <cstdint>

// What a mapping permits and what a domain can map.
namespace sluice::iommu {

enum class MemoryType : std::uint8_t {
  cached,   // shared with the processors' caches
  uncached, // memory that nobody caches
  device,   // registers: no merging, no reordering, no speculation
};

struct Prot {
  bool read{};
  bool write{};
  bool execute{};
  bool privileged{}; // only for privileged requests
  MemoryType type{MemoryType::cached};

  friend constexpr bool operator==(const Prot&, const Prot&) = default;
};

namespace prot {
inline constexpr Prot read{.read = true};
inline constexpr Prot write{.write = true};
inline constexpr Prot read_write{.read = true, .write = true};
} // namespace prot

struct Geometry {
  std::uint64_t first{};       // lowest IOVA
  std::uint64_t last{};        // highest IOVA
  std::uint64_t page_sizes{};  // bit n: pages and blocks of 2^n bytes; the lowest is the unit of map and unmap
  std::uint64_t last_output{}; // highest address that can be mapped to

  constexpr std::uint64_t page() const { return page_sizes & (~page_sizes + 1); }
};

} // namespace sluice::iommu

#pragma once

#include <sluice/pcie/function.hpp>

#include <cstdint>
#include <optional>

namespace sluice::vfio {

// Where a function has its MSI-X table (PCI Express Base Specification, 7.7.2).
struct MsixPlace {
  static constexpr std::uint32_t entry_bytes = 16;

  std::uint16_t capability{};
  std::uint32_t vectors{};
  unsigned bar{};
  std::uint64_t offset{};

  std::uint64_t end() const { return offset + std::uint64_t{vectors} * entry_bytes; }
};

// 0: no such capability.
std::uint16_t find_capability(const pcie::Function& function, std::uint8_t id);
std::optional<MsixPlace> find_msix(const pcie::Function& function);

} // namespace sluice::vfio

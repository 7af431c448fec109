#pragma once

#include <cstdint>

namespace sluice::platform {

// The register frame of one SMMU: pages 0 and 1, offsets in bytes from the start of page 0 (6.2). Accesses reach the
// device in program order among themselves; order against memory is the caller's (base/fence.hpp). A 64-bit access may
// be made as two halves, low first.
class Mmio {
public:
  virtual std::uint32_t read32(std::uint32_t offset) = 0;
  virtual void write32(std::uint32_t offset, std::uint32_t value) = 0;
  virtual std::uint64_t read64(std::uint32_t offset) = 0;
  virtual void write64(std::uint32_t offset, std::uint64_t value) = 0;

protected:
  ~Mmio() = default;
};

} // namespace sluice::platform

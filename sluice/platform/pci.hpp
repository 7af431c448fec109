#pragma once

#include <cstdint>

namespace sluice::platform {

// What the system knows of a function's way to the SMMU, beyond its configuration space.
struct PciFacts {
  bool ats_allowed{false}; // the root complex forwards ATS requests and firmware permits them
};

// Configuration space of one PCI function, as the driver needs it to find and switch ATS, PASID and PRI.
class PciFunction {
public:
  virtual PciFacts facts() const = 0;
  // `size` is 1, 2 or 4 and `offset` a multiple of it, below 4096. Reads of what is not there give all ones.
  virtual std::uint32_t config_read(std::uint16_t offset, unsigned size) = 0;
  virtual void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) = 0;

protected:
  ~PciFunction() = default;
};

} // namespace sluice::platform

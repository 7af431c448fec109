#pragma once

#include <sluice/model/smmu.hpp>
#include <sluice/platform/mmio.hpp>

namespace sluice::machine {

// The register frame of a model.
class Mmio final : public platform::Mmio {
public:
  explicit Mmio(model::Smmu& smmu) : smmu_{smmu} {}

  std::uint32_t read32(std::uint32_t offset) override { return static_cast<std::uint32_t>(smmu_.read(offset, 4)); }
  void write32(std::uint32_t offset, std::uint32_t value) override { smmu_.write(offset, 4, value); }
  std::uint64_t read64(std::uint32_t offset) override { return smmu_.read(offset, 8); }
  void write64(std::uint32_t offset, std::uint64_t value) override { smmu_.write(offset, 8, value); }

private:
  model::Smmu& smmu_;
};

} // namespace sluice::machine

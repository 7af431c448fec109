#pragma once

#include <sluice/hosted/mmio_order.hpp>
#include <sluice/machine/interleave.hpp>
#include <sluice/model/smmu.hpp>
#include <sluice/platform/mmio.hpp>

namespace sluice::machine {

// The register frame of a model.
class Mmio final : public platform::Mmio {
public:
  Mmio(model::Smmu& smmu, Interleave& interleave) : smmu_{smmu}, interleave_{interleave} {}

  std::uint32_t read32(std::uint32_t offset) override { return static_cast<std::uint32_t>(read(offset, 4)); }
  void write32(std::uint32_t offset, std::uint32_t value) override { write(offset, 4, value); }
  std::uint64_t read64(std::uint32_t offset) override { return read(offset, 8); }
  void write64(std::uint32_t offset, std::uint64_t value) override { write(offset, 8, value); }

private:
  std::uint64_t read(std::uint32_t offset, unsigned size) {
    interleave_.at_register();
    return hosted::mmio_load([&] { return smmu_.read(offset, size); });
  }
  void write(std::uint32_t offset, unsigned size, std::uint64_t value) {
    interleave_.at_register();
    hosted::mmio_store([&smmu = smmu_, offset, size, value] { smmu.write(offset, size, value); });
  }

  model::Smmu& smmu_;
  Interleave& interleave_;
};

} // namespace sluice::machine

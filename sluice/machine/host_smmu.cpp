#include <sluice/machine/host_smmu.hpp>

#include <sluice/hosted/mmio_order.hpp>
#include <sluice/machine/smmu_parts.hpp>

namespace sluice::machine {

HostSmmu::HostSmmu(const SmmuConfig& config, const HostSurroundings& around, HostFault fault, unsigned index)
    : ram_{around.port.arena, around.clients, around.port.irq, index * wires_per_smmu, around.interleave},
      doorbell_{around.port.device_sync}, doorbell_bus_{ram_, doorbell_},
      window_bus_{doorbell_bus_, around.windows}, model_{make_model(config, window_bus_, around.port, index)},
      mmio_{std::make_unique<Mmio>(*model_, around.interleave)}, spoiled_{std::make_unique<SpoiledMmio>(
                                                                     *mmio_, around.port.arena)} {
  driver_ = make_driver(config, *spoiled_, around.port, index);
  if (fault == HostFault::tlbi) {
    spoiled_->plant(CommandFault::tlbi);
  }
}

HostSmmu::~HostSmmu() {
  driver_.reset();
  hosted::mmio_settle();
}

} // namespace sluice::machine

#include <sluice/machine/host_smmu.hpp>

#include <sluice/hosted/mmio_order.hpp>
#include <sluice/machine/smmu_parts.hpp>

namespace sluice::machine {

HostSmmu::HostSmmu(const SmmuConfig& config, const HostSurroundings& around, HostFault fault, unsigned index)
    : ats_{config.features.ats}, routes_{around.port.device_sync, around.port.time},
      ram_{around.port.arena, around.clients, around.port.irq, index * wires_per_smmu, around.interleave, routes_},
      doorbell_{around.port.device_sync}, doorbell_bus_{ram_, doorbell_}, window_bus_{doorbell_bus_, around.windows},
      table_bus_{window_bus_, fault, [&windows = around.windows](std::uint64_t at) { return windows.contains(at); }} {
  model_ = make_model(config, table_bus_, around.port, index);
  table_bus_.set_smmu(*model_);
  mmio_ = std::make_unique<Mmio>(*model_, around.interleave);
  spoiled_ = std::make_unique<SpoiledMmio>(*mmio_, around.port.arena);
  watch_ = std::make_unique<TlbiWatch>(*spoiled_, around.port.arena, around.port.sync);
  driver_ = make_driver(config, *watch_, around.port, index);
  spoiled_->plant(fault == HostFault::tlbi   ? CommandFault::tlbi
                  : fault == HostFault::cfgi ? CommandFault::cfgi
                  : fault == HostFault::atc  ? CommandFault::atc
                                             : CommandFault::none);
}

HostSmmu::~HostSmmu() {
  driver_.reset();
  hosted::mmio_settle();
}

void HostSmmu::fill(SmmuAccount& account) const {
  account.driver = driver_->counters();
  account.model = model_->counters();
  account.spoiled = spoiled_->spoiled();
}

} // namespace sluice::machine

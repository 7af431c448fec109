#pragma once

#include <sluice/machine/bus.hpp>
#include <sluice/machine/command_fault.hpp>
#include <sluice/machine/doorbell.hpp>
#include <sluice/machine/host.hpp>
#include <sluice/machine/mmio.hpp>
#include <sluice/machine/table_fault.hpp>
#include <sluice/machine/tlbi_watch.hpp>
#include <sluice/machine/window_bus.hpp>

#include <memory>

namespace sluice::machine {

// What all SMMUs of a host share.
struct HostSurroundings {
  hosted::Port& port;
  const ClientMemory& clients;
  Windows& windows;
  Interleave& interleave;
};

// One SMMU of a host. On its bus are the driver's RAM, clients' memory and a doorbell; between it and its driver are
// those who look at commands and those who spoil them.
class HostSmmu {
public:
  HostSmmu(const SmmuConfig& config, const HostSurroundings& around, HostFault fault, unsigned index);
  HostSmmu(const HostSmmu&) = delete;
  HostSmmu& operator=(const HostSmmu&) = delete;
  ~HostSmmu();

  model::Smmu& model() { return *model_; }
  driver::Smmu& driver() { return *driver_; }
  Doorbell& doorbell() { return doorbell_; }
  FunctionRoutes& routes() { return routes_; }
  // Requests for translations go through.
  bool ats() const { return ats_; }
  void add_stream(std::uint32_t stream) { table_bus_.add_stream(stream); }
  // TLBI commands that are complete and were not asked for before.
  std::vector<arch::Command> take_invalidations() { return watch_->take_completed(model_->counters().commands); }
  void fill(SmmuAccount& account) const;

private:
  const bool ats_;
  FunctionRoutes routes_;
  Bus ram_;
  Doorbell doorbell_;
  DoorbellBus doorbell_bus_;
  WindowBus window_bus_;
  TableFaultBus table_bus_;
  std::unique_ptr<model::Smmu> model_;
  std::unique_ptr<Mmio> mmio_;
  std::unique_ptr<SpoiledMmio> spoiled_;
  std::unique_ptr<TlbiWatch> watch_;
  platform::Owned<driver::Smmu> driver_;
};

} // namespace sluice::machine

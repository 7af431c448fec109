#pragma once

#include <sluice/driver/smmu.hpp>
#include <sluice/hosted/port.hpp>
#include <sluice/hosted/scratch.hpp>
#include <sluice/machine/bus.hpp>
#include <sluice/machine/bus_fault.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/machine/command_fault.hpp>
#include <sluice/machine/interleave.hpp>
#include <sluice/machine/mmio.hpp>
#include <sluice/machine/pci.hpp>
#include <sluice/model/smmu.hpp>
#include <sluice/pcie/copy_engine.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace sluice::machine {

struct SmmuConfig {
  model::Features features{};
  model::Knobs knobs{};
  driver::Config driver{};              // its wires are the machine's to choose
  std::vector<std::uint32_t> streams{}; // one copy engine behind each StreamID
  pcie::CopyEngineConfig engine{};      // what each of them can do
};

struct Config {
  std::vector<SmmuConfig> smmus{};
  hosted::PortConfig port{};
};

// The driver refused what it should do when a machine was made.
class DriverRefused : public hosted::SetupError {
public:
  using hosted::SetupError::SetupError;
};

// A copy engine that the driver has as a device and that may be bus master.
class Endpoint {
public:
  // Its requests for translations go through where the SMMU has ATS. Errors: the driver's.
  static base::Result<std::unique_ptr<Endpoint>> make(driver::Smmu& driver, FunctionRoutes& routes, hosted::Port& port,
                                                      const SmmuConfig& config, std::uint32_t stream);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint();

  // The engine at work in the calling thread, as hardware.
  pcie::CopyReport copy(model::Port& port, const pcie::CopyJob& job);
  pcie::CopyReport read(model::Port& port, std::uint64_t iova, void* into, std::uint64_t size,
                        std::optional<unsigned> context = {});
  pcie::CopyReport write(model::Port& port, std::uint64_t iova, const void* from, std::uint64_t size,
                         std::optional<unsigned> context = {});
  void advance(model::Port& port, pcie::CopyTask& task);

  pcie::CopyEngine engine;
  PciFunction function;
  iommu::Device* device{};

private:
  Endpoint(driver::Smmu& driver, FunctionRoutes& routes, hosted::Port& port, const SmmuConfig& config,
           pcie::Address address);

  driver::Smmu& driver_;
  FunctionRoutes& routes_;
};

// One SMMU with what is before and behind it.
class SmmuNode {
public:
  SmmuNode(const SmmuConfig& config, hosted::Port& port, const ClientMemory& clients, Interleave& interleave,
           unsigned index);
  SmmuNode(const SmmuNode&) = delete;
  SmmuNode& operator=(const SmmuNode&) = delete;
  ~SmmuNode();

  model::Smmu& model() { return *model_; }
  driver::Smmu& driver() { return *driver_; }
  SpoiledMmio& mmio() { return *spoiled_; }
  FaultyBus& bus() { return faulty_bus_; }
  std::uint64_t strays() const { return bus_.strays(); }

  std::size_t endpoints() const { return endpoints_.size(); }
  Endpoint& endpoint(std::size_t index) { return *endpoints_.at(index); }

private:
  FunctionRoutes routes_;
  Bus bus_;
  FaultyBus faulty_bus_;
  std::unique_ptr<model::Smmu> model_;
  std::unique_ptr<Mmio> mmio_;
  std::unique_ptr<SpoiledMmio> spoiled_;
  platform::Owned<driver::Smmu> driver_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
};

// What is left when everything has been taken down. All zero and true is well.
struct Remains {
  std::uint64_t client_bytes{};  // of ClientMemory
  std::uint64_t driver_dma{};    // bytes of tables and queues
  std::uint64_t driver_plain{};  // bytes of objects
  std::uint64_t driver_blocks{}; // of either kind
  // Of a host
  std::uint64_t contexts{}; // /dev/iommu that are still open: nothing was taken down
  std::uint64_t windows{};  // onto clients' memory
  std::uint64_t vectors{};  // eventfds at the doorbell
  bool queues_idle{true};   // commands consumed, events read, no global error active

  bool nothing() const {
    return client_bytes + driver_dma + driver_plain + driver_blocks + contexts + windows + vectors == 0;
  }
};

// RAM, SMMUs, copy engines behind them and the driver before them, in one process.
class Machine {
public:
  // Throws hosted::SetupError, which says what cannot be made and why, or DriverRefused.
  explicit Machine(const Config& config);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine();

  hosted::Port& port() { return port_; }
  hosted::Schedule& schedule() { return *port_.schedule; }
  ClientMemory& clients() { return clients_; }
  std::size_t smmus() const { return nodes_.size(); }
  SmmuNode& smmu(std::size_t index = 0) { return *nodes_.at(index); }

  // Removes devices, drivers and SMMUs, and looks at what they leave. All model::Ports are gone by then, all paging
  // domains destroyed, and all client memory that anybody wants to account for freed.
  Remains tear_down();

private:
  hosted::Port port_;
  ClientMemory clients_;
  Interleave interleave_;
  std::vector<std::unique_ptr<SmmuNode>> nodes_;
};

} // namespace sluice::machine

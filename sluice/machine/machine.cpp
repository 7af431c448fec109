#include <sluice/machine/machine.hpp>

#include <sluice/arch/registers.hpp>
#include <sluice/hosted/errc.hpp>
#include <sluice/hosted/mmio_order.hpp>
#include <sluice/machine/names.hpp>

#include <array>
#include <string>

namespace sluice::machine {

namespace {

std::string reason(unsigned index, const std::string& what, base::Errc error) {
  return "SMMU " + std::to_string(index) + ": " + what + " (" + std::string{hosted::name(error)} + ")";
}

std::unique_ptr<model::Smmu> make_model(const SmmuConfig& config, model::Bus& bus, hosted::Port& port, unsigned index) {
  auto made = model::Smmu::make(config.features, config.knobs, bus, port.device_sync, port.time);
  if (!made) {
    const model::Refusal why = model::refusal(config.features, config.knobs);
    throw hosted::SetupError{reason(index, "these features cannot be made: " + std::string{name(why)}, made.error())};
  }
  return std::move(*made);
}

driver::Config with_wires(driver::Config config, platform::IrqLine first) {
  config.event_wire = {true, first + static_cast<platform::IrqLine>(model::Wire::event_queue)};
  config.gerror_wire = {true, first + static_cast<platform::IrqLine>(model::Wire::global_error)};
  return config;
}

// Every queue of the SMMU is empty and no error is active. 3.5.1, 7.5
bool idle(const model::Snapshot& s) {
  constexpr std::uint32_t position = arch::CMDQ_PROD::WR.mask;
  return ((s.cmdq_prod ^ s.cmdq_cons) & position) == 0 && ((s.eventq_prod ^ s.eventq_cons) & position) == 0 &&
         s.gerror == s.gerrorn && !s.sync_waits;
}

} // namespace

base::Result<std::unique_ptr<Endpoint>> Endpoint::make(driver::Smmu& driver, std::uint32_t stream) {
  // Behind one host bridge a StreamID is the Requester ID.
  const pcie::Address address{static_cast<std::uint16_t>(stream), stream};
  std::unique_ptr<Endpoint> endpoint{new Endpoint{driver, address}};
  const std::array streams{stream};
  const auto device = driver.add(&endpoint->function, streams);
  if (!device) {
    return device.error();
  }
  endpoint->device = *device;
  endpoint->function.config_write(pcie::config::command, 2,
                                  pcie::config::command_bus_master | pcie::config::command_memory_space);
  return endpoint;
}

pcie::CopyReport Endpoint::copy(model::Port& port, const pcie::CopyJob& job) {
  pcie::CopyReport report;
  hosted::device_access([&] { report = engine.copy(port, job); });
  return report;
}

pcie::CopyReport Endpoint::read(model::Port& port, std::uint64_t iova, void* into, std::uint64_t size) {
  pcie::CopyReport report;
  hosted::device_access([&] { report = engine.read(port, iova, into, size); });
  return report;
}

pcie::CopyReport Endpoint::write(model::Port& port, std::uint64_t iova, const void* from, std::uint64_t size) {
  pcie::CopyReport report;
  hosted::device_access([&] { report = engine.write(port, iova, from, size); });
  return report;
}

Endpoint::~Endpoint() {
  if (device != nullptr) {
    static_cast<void>(driver_.remove(*device)); // it is in no group
  }
}

SmmuNode::SmmuNode(const SmmuConfig& config, hosted::Port& port, const ClientMemory& clients, Interleave& interleave,
                   unsigned index)
    : bus_{port.arena, clients, port.irq, index * wires_per_smmu, interleave},
      faulty_bus_{bus_}, model_{make_model(config, faulty_bus_, port, index)},
      mmio_{std::make_unique<Mmio>(*model_, interleave)}, spoiled_{std::make_unique<SpoiledMmio>(*mmio_, port.arena)} {
  auto driver = driver::Smmu::make(port.platform(), *spoiled_, with_wires(config.driver, index * wires_per_smmu));
  if (!driver) {
    throw DriverRefused{reason(index, "the driver does not come up", driver.error())};
  }
  driver_ = std::move(*driver);

  for (const std::uint32_t stream : config.streams) {
    auto endpoint = Endpoint::make(*driver_, stream);
    if (!endpoint) {
      throw DriverRefused{reason(index, "no endpoint with StreamID " + std::to_string(stream), endpoint.error())};
    }
    endpoints_.push_back(std::move(*endpoint));
  }
}

SmmuNode::~SmmuNode() {
  endpoints_.clear();
  driver_.reset();
  hosted::mmio_settle();
}

Machine::Machine(const Config& config)
    : port_{config.port}, clients_{port_.arena}, interleave_{config.port.store_buffers ? nullptr : port_.seeded(),
                                                             config.port.seeded ? config.port.seeded->seed : 0} {
  for (const SmmuConfig& smmu : config.smmus) {
    const auto index = static_cast<unsigned>(nodes_.size());
    nodes_.push_back(std::make_unique<SmmuNode>(smmu, port_, clients_, interleave_, index));
  }
}

Machine::~Machine() { tear_down(); }

Remains Machine::tear_down() {
  Remains remains;
  for (const auto& node : nodes_) {
    node->driver().poll();
    remains.queues_idle = remains.queues_idle && idle(node->model().snapshot());
  }
  while (!nodes_.empty()) {
    nodes_.pop_back();
  }
  port_.sync.reclaim();
  port_.device_sync.reclaim();
  const auto counts = port_.memory.counts();
  remains.client_bytes = clients_.live_bytes();
  remains.driver_dma = counts.dma_bytes;
  remains.driver_plain = counts.plain_bytes;
  remains.driver_blocks = counts.live();
  return remains;
}

} // namespace sluice::machine

#include <sluice/machine/machine.hpp>

#include <sluice/hosted/mmio_order.hpp>
#include <sluice/machine/smmu_parts.hpp>

#include <array>
#include <string>

namespace sluice::machine {

Endpoint::Endpoint(driver::Smmu& driver, FunctionRoutes& routes, hosted::Port& port, const SmmuConfig& config,
                   pcie::Address address)
    : engine{address, config.engine, port.device_sync, port.time}, function{engine, {config.features.ats}},
      driver_{driver}, routes_{routes} {}

base::Result<std::unique_ptr<Endpoint>> Endpoint::make(driver::Smmu& driver, FunctionRoutes& routes, hosted::Port& port,
                                                       const SmmuConfig& config, std::uint32_t stream) {
  // Behind one host bridge a StreamID is the Requester ID.
  const pcie::Address address{static_cast<std::uint16_t>(stream), stream};
  std::unique_ptr<Endpoint> endpoint{new Endpoint{driver, routes, port, config, address}};
  const std::array streams{stream};
  const auto device = driver.add(&endpoint->function, streams);
  if (!device) {
    return device.error();
  }
  endpoint->device = *device;
  routes.add(endpoint->engine);
  endpoint->function.config_write(pcie::config::command, 2,
                                  pcie::config::command_bus_master | pcie::config::command_memory_space);
  return endpoint;
}

pcie::CopyReport Endpoint::copy(model::Port& port, const pcie::CopyJob& job) {
  pcie::CopyReport report;
  hosted::device_access([&] { report = engine.copy(port, job); });
  return report;
}

void Endpoint::advance(model::Port& port, pcie::CopyTask& task) {
  hosted::device_access([&] { engine.advance(port, task); });
}

pcie::CopyReport Endpoint::read(model::Port& port, std::uint64_t iova, void* into, std::uint64_t size,
                                std::optional<unsigned> context) {
  pcie::CopyReport report;
  hosted::device_access([&] { report = engine.read(port, iova, into, size, context); });
  return report;
}

pcie::CopyReport Endpoint::write(model::Port& port, std::uint64_t iova, const void* from, std::uint64_t size,
                                 std::optional<unsigned> context) {
  pcie::CopyReport report;
  hosted::device_access([&] { report = engine.write(port, iova, from, size, context); });
  return report;
}

Endpoint::~Endpoint() {
  if (device != nullptr) {
    static_cast<void>(driver_.remove(*device)); // it is in no group
    routes_.remove(engine);
  }
}

SmmuNode::SmmuNode(const SmmuConfig& config, hosted::Port& port, const ClientMemory& clients, Interleave& interleave,
                   unsigned index)
    : routes_{port.device_sync, port.time}, bus_{port.arena, clients, port.irq, index * wires_per_smmu,
                                                 interleave, routes_},
      faulty_bus_{bus_}, model_{make_model(config, faulty_bus_, port, index)},
      mmio_{std::make_unique<Mmio>(*model_, interleave)}, spoiled_{std::make_unique<SpoiledMmio>(*mmio_, port.arena)} {
  driver_ = make_driver(config, *spoiled_, port, index);
  for (const std::uint32_t stream : config.streams) {
    auto endpoint = Endpoint::make(*driver_, routes_, port, config, stream);
    if (!endpoint) {
      throw DriverRefused{refusal_text(index, "no endpoint with StreamID " + std::to_string(stream), endpoint.error())};
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

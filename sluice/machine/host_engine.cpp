#include <sluice/machine/host_engine.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <array>

namespace sluice::machine {

namespace {

vfio::CdevConfig engine_cdev_config(const EngineConfig& config, bool ats) {
  vfio::CdevConfig cdev;
  cdev.show_pasid = config.show_pasid;
  cdev.facts.capabilities = ats ? std::uint64_t{} : uapi::iommufd::hw_cap_ats_not_supported;
  if (config.device) { // the same addresses as for all that a client finds
    cdev.facts.reserved = {{Doorbell::start, Doorbell::start + Doorbell::size - 1}};
    cdev.facts.messages = {Doorbell::start, Doorbell::start, Doorbell::size};
  }
  return cdev;
}

// Behind one host bridge a StreamID is the Requester ID.
pcie::Address engine_address(const EngineConfig& config) {
  const std::uint16_t requester = config.address.requester();
  return {requester, config.stream.value_or(requester)};
}

constexpr std::size_t page_bytes = 4096;

std::span<pcie::BarMemory::Word> words_of(const hosted::Mapping& memory) {
  return {static_cast<pcie::BarMemory::Word*>(memory.at()), memory.size() / sizeof(pcie::BarMemory::Word)};
}

} // namespace

HostEngine::Ring::Ring(DeviceRanges& among)
    : ranges{among}, memory{hosted::Mapping::shared(pcie::CopyRing::bytes, page_bytes)}, bar{words_of(memory)} {
  ranges.add(reinterpret_cast<std::uint64_t>(memory.at()), memory.size());
}

HostEngine::Ring::~Ring() { ranges.remove(reinterpret_cast<std::uint64_t>(memory.at())); }

std::unique_ptr<pcie::CopyEngine> HostEngine::make(hosted::Port& port) {
  const pcie::Address address = engine_address(config_);
  if (!ring_) {
    return std::make_unique<pcie::CopyEngine>(address, config_.engine, port.device_sync, port.time);
  }
  auto device =
      std::make_unique<pcie::CopyDevice>(address, config_.engine.ats, port.device_sync, port.time, ring_->bar);
  ring_->device = device.get();
  return device;
}

HostEngine::HostEngine(const EngineConfig& config, HostSmmu& smmu, const vfio::Host& host, hosted::Port& port,
                       DeviceRanges& ranges)
    : config_{config}, smmu_{smmu}, ring_{config.device ? std::make_unique<Ring>(ranges) : nullptr},
      engine_{make(port)}, pci_{*engine_, {smmu.ats()}} {
  const std::array streams{engine_->stream()};
  const auto device = smmu_.driver().add(&pci_, streams, {.may_stall = config.may_stall});
  if (!device) {
    throw DriverRefused{"copy engine " + to_string(config.address) + ": the driver refuses it (" +
                        std::string{hosted::name(device.error())} + ")"};
  }
  device_ = *device;
  smmu_.add_stream(engine_->stream());
  smmu_.routes().add(*engine_);
  if (ring_) {
    worker_.emplace(*ring_->device, smmu_.model(), port, "engine " + to_string(config.address));
  }
  cdev_.emplace(*engine_, *device_, host, engine_cdev_config(config, smmu.ats()));
}

HostEngine::~HostEngine() {
  worker_.reset();
  cdev_.reset();
  static_cast<void>(smmu_.driver().remove(*device_)); // it is in no group
  smmu_.routes().remove(*engine_);
}

} // namespace sluice::machine

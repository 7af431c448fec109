#include <sluice/machine/host_function.hpp>

#include <sluice/hosted/errc.hpp>

#include <array>

namespace sluice::machine {

namespace {

// Behind one host bridge a StreamID is the Requester ID.
pcie::Address address_of(const FunctionConfig& config) {
  const std::uint16_t requester = config.address.requester();
  return {requester, config.stream.value_or(requester)};
}

vfio::CdevConfig cdev_config() {
  vfio::CdevConfig config;
  config.facts.reserved = {{Doorbell::start, Doorbell::start + Doorbell::size - 1}};
  config.facts.messages = {Doorbell::start, Doorbell::start, Doorbell::size};
  return config;
}

} // namespace

HostFunction::HostFunction(const FunctionConfig& config, HostSmmu& smmu, const vfio::Host& host, hosted::Port& port,
                           MapsAlone maps_alone)
    : config_{config}, smmu_{smmu}, rng_{config.rng, address_of(config), port.device_sync}, pci_{rng_} {
  const std::array streams{rng_.stream()};
  const auto device = smmu_.driver().add(&pci_, streams);
  if (!device) {
    throw DriverRefused{"function " + to_string(config.address) + " with StreamID " + std::to_string(rng_.stream()) +
                        ": the driver refuses it (" + std::string{hosted::name(device.error())} + ")"};
  }
  device_ = *device;
  smmu_.add_stream(rng_.stream());
  smmu_.routes().add(rng_);
  worker_.emplace(
      rng_, smmu_.model(), port, "endpoint " + config.rng.name,
      [this, maps_alone = std::move(maps_alone)](std::uint64_t iova) { return maps_alone(*device_, iova); });
  cdev_.emplace(rng_, *device_, host, cdev_config());
}

HostFunction::~HostFunction() {
  worker_.reset();
  cdev_.reset();
  static_cast<void>(smmu_.driver().remove(*device_)); // it is in no group
  smmu_.routes().remove(rng_);
}

FunctionAccount HostFunction::account() const {
  FunctionAccount account{.address = config_.address,
                          .name = config_.rng.name,
                          .smmu = config_.smmu,
                          .stream = stream(),
                          .delivered = rng_.delivered(),
                          .dma = rng_.dma_counters(),
                          .interrupts = rng_.interrupts(),
                          .messages = rng_.messages()};
  worker_->fill(account);
  return account;
}

} // namespace sluice::machine

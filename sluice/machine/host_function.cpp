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
                           Questions questions)
    : config_{config}, smmu_{smmu},
      questions_{std::move(questions)}, rng_{config.rng, address_of(config), port.device_sync}, pci_{rng_} {
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
      [this](std::uint64_t iova) { return questions_.maps_alone(*device_, iova); }, [this] { tell_stale_uses(); });
  cdev_.emplace(rng_, *device_, host, cdev_config());
}

HostFunction::~HostFunction() {
  worker_.reset();
  cdev_.reset();
  static_cast<void>(smmu_.driver().remove(*device_)); // it is in no group
  smmu_.routes().remove(rng_);
}

void HostFunction::tell_stale_uses() {
  const model::StaleUses uses = smmu_.model().stale_uses(stale_known_);
  stale_known_ = uses.count;
  for (const model::StaleUse& use : uses.latest) {
    if (use.stream_id == stream()) {
      questions_.on_stale_use(*device_, use);
    }
  }
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

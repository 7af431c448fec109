#include <sluice/machine/host_engine.hpp>

#include <sluice/hosted/errc.hpp>

#include <array>

namespace sluice::machine {

// Behind one host bridge a StreamID is the Requester ID.
HostEngine::HostEngine(const EngineConfig& config, HostSmmu& smmu, const vfio::Host& host)
    : config_{config}, smmu_{smmu}, engine_{{config.address.requester(), config.address.requester()}}, pci_{engine_} {
  const std::array streams{engine_.stream()};
  const auto device = smmu_.driver().add(&pci_, streams);
  if (!device) {
    throw DriverRefused{"copy engine " + to_string(config.address) + ": the driver refuses it (" +
                        std::string{hosted::name(device.error())} + ")"};
  }
  device_ = *device;
  smmu_.add_stream(engine_.stream());
  smmu_.routes().add(engine_);
  cdev_.emplace(engine_, *device_, host);
}

HostEngine::~HostEngine() {
  cdev_.reset();
  static_cast<void>(smmu_.driver().remove(*device_)); // it is in no group
  smmu_.routes().remove(engine_);
}

} // namespace sluice::machine

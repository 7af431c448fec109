#include <sluice/machine/host_engine.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <array>

namespace sluice::machine {

namespace {

vfio::CdevConfig cdev_config(const EngineConfig& config, bool ats) {
  vfio::CdevConfig cdev;
  cdev.show_pasid = config.show_pasid;
  cdev.facts.capabilities = ats ? std::uint64_t{} : uapi::iommufd::hw_cap_ats_not_supported;
  return cdev;
}

} // namespace

// Behind one host bridge a StreamID is the Requester ID.
HostEngine::HostEngine(const EngineConfig& config, HostSmmu& smmu, const vfio::Host& host, hosted::Port& port)
    : config_{config}, smmu_{smmu}, engine_{{config.address.requester(), config.address.requester()},
                                            config.engine,
                                            port.device_sync,
                                            port.time},
      pci_{engine_, {smmu.ats()}} {
  const std::array streams{engine_.stream()};
  const auto device = smmu_.driver().add(&pci_, streams, {.may_stall = config.may_stall});
  if (!device) {
    throw DriverRefused{"copy engine " + to_string(config.address) + ": the driver refuses it (" +
                        std::string{hosted::name(device.error())} + ")"};
  }
  device_ = *device;
  smmu_.add_stream(engine_.stream());
  smmu_.routes().add(engine_);
  cdev_.emplace(engine_, *device_, host, cdev_config(config, smmu.ats()));
}

HostEngine::~HostEngine() {
  cdev_.reset();
  static_cast<void>(smmu_.driver().remove(*device_)); // it is in no group
  smmu_.routes().remove(engine_);
}

} // namespace sluice::machine

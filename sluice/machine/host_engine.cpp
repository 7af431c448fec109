#include <sluice/machine/host_engine.hpp>

#include <sluice/hosted/errc.hpp>

#include <sluice/uapi/iommufd.hpp>

#include <array>
#include <bit>

namespace sluice::machine {

namespace {

// What GET_HW_INFO says of a device beside its SMMU.
vfio::CdevConfig cdev_config(const EngineConfig& config, const iommu::Device& device, bool ats) {
  namespace u = uapi::iommufd;
  const pcie::TranslationConfig& capabilities = config.engine.ats.capabilities;
  vfio::CdevConfig cdev;
  cdev.show_pasid = config.show_pasid;
  const auto say = [&](bool what, std::uint64_t bit) { cdev.facts.capabilities |= what ? bit : 0; };
  say(!ats || !capabilities.ats, u::hw_cap_ats_not_supported);
  if (device.max_pasids() != 0) {
    cdev.facts.max_pasid_log2 = static_cast<std::uint8_t>(std::bit_width(device.max_pasids()) - 1);
    say(capabilities.execute, u::hw_cap_pasid_execute);
    say(capabilities.privileged, u::hw_cap_pasid_privileged);
  }
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
  cdev_.emplace(engine_, *device_, host, cdev_config(config, *device_, smmu.ats()));
}

HostEngine::~HostEngine() {
  cdev_.reset();
  static_cast<void>(smmu_.driver().remove(*device_)); // it is in no group
  smmu_.routes().remove(engine_);
}

} // namespace sluice::machine

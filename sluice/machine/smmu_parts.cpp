#include <sluice/machine/smmu_parts.hpp>

#include <sluice/arch/registers.hpp>
#include <sluice/hosted/errc.hpp>
#include <sluice/machine/bus.hpp>
#include <sluice/machine/names.hpp>

namespace sluice::machine {

namespace {

driver::Config with_wires(driver::Config config, platform::IrqLine first) {
  config.event_wire = {true, first + static_cast<platform::IrqLine>(model::Wire::event_queue)};
  config.page_request_wire = {true, first + static_cast<platform::IrqLine>(model::Wire::pri_queue)};
  config.gerror_wire = {true, first + static_cast<platform::IrqLine>(model::Wire::global_error)};
  return config;
}

} // namespace

std::string refusal_text(unsigned index, const std::string& what, base::Errc error) {
  return "SMMU " + std::to_string(index) + ": " + what + " (" + std::string{hosted::name(error)} + ")";
}

std::unique_ptr<model::Smmu> make_model(const SmmuConfig& config, model::Bus& bus, hosted::Port& port, unsigned index) {
  auto made = model::Smmu::make(config.features, config.knobs, bus, port.device_sync, port.time);
  if (!made) {
    const std::string why{name(model::refusal(config.features, config.knobs))};
    throw hosted::SetupError{refusal_text(index, "these features cannot be made: " + why, made.error())};
  }
  return std::move(*made);
}

platform::Owned<driver::Smmu> make_driver(const SmmuConfig& config, platform::Mmio& mmio, hosted::Port& port,
                                          unsigned index) {
  auto made = driver::Smmu::make(port.platform(), mmio, with_wires(config.driver, index * wires_per_smmu));
  if (!made) {
    throw DriverRefused{refusal_text(index, "the driver does not come up", made.error())};
  }
  return std::move(*made);
}

bool idle(const model::Snapshot& s) {
  constexpr std::uint32_t position = arch::CMDQ_PROD::WR.mask;
  return ((s.cmdq_prod ^ s.cmdq_cons) & position) == 0 && ((s.eventq_prod ^ s.eventq_cons) & position) == 0 &&
         s.gerror == s.gerrorn && !s.sync_waits;
}

} // namespace sluice::machine

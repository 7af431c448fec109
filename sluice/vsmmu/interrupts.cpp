#include <sluice/vsmmu/vsmmu.hpp>

// 3.18, 7.5: each interrupt as a message if there is an address for it, and as an edge on its wire.
namespace sluice::vsmmu {

using namespace arch;

// False: it was aborted.
bool Vsmmu::message(const Message& m) {
  if (!has(config_.features, Feature::msi) || m.address == 0) {
    return true;
  }
  return interrupts_.message(m.address & base::detail::ones(oas_bits(config_.features)), m.data);
}

void Vsmmu::signal_event_queue() {
  const Message m{registers_->get<EVENTQ_IRQ_CFG0>().get(EVENTQ_IRQ_CFG0::ADDR),
                  static_cast<std::uint32_t>(registers_->get<EVENTQ_IRQ_CFG1>().get(EVENTQ_IRQ_CFG1::DATA))};
  if (!message(m)) {
    report_error(GERROR::MSI_EVENTQ_ABT_ERR.mask);
  }
  interrupts_.pulse(Wire::event_queue);
}

// 6.3.19: an aborted message of GERROR itself raises no interrupt.
void Vsmmu::signal_gerror() {
  const Message m{registers_->get<GERROR_IRQ_CFG0>().get(GERROR_IRQ_CFG0::ADDR),
                  static_cast<std::uint32_t>(registers_->get<GERROR_IRQ_CFG1>().get(GERROR_IRQ_CFG1::DATA))};
  if (!message(m)) {
    static_cast<void>(raise(GERROR::MSI_GERROR_ABT_ERR.mask));
  }
  interrupts_.pulse(Wire::global_error);
}

// 4.7.3 CS
void Vsmmu::signal_sync(const Command& sync) {
  switch (sync.get(Command::CS)) {
  case SyncSignal::irq:
    if (!message({sync.get(Command::MSIAddress), static_cast<std::uint32_t>(sync.get(Command::MSIData))})) {
      report_error(GERROR::MSI_CMDQ_ABT_ERR.mask);
    }
    interrupts_.pulse(Wire::command_sync);
    return;
  case SyncSignal::sev:
    if (config_.features.idr0.get(IDR0::SEV) != 0) {
      interrupts_.wake();
    }
    return;
  default:
    return;
  }
}

bool Vsmmu::active(std::uint64_t gerror_bit) const {
  return ((registers_->get<GERROR>().raw() ^ registers_->get<GERRORN>().raw()) & gerror_bit) != 0;
}

// 7.5: GERROR toggles only while the error is not active.
bool Vsmmu::raise(std::uint64_t gerror_bit) {
  if (active(gerror_bit)) {
    return false;
  }
  registers_->toggle<GERROR>(gerror_bit);
  return true;
}

void Vsmmu::report_error(std::uint64_t gerror_bit) {
  if (raise(gerror_bit) && registers_->get<IRQ_CTRLACK>().get(IRQ_CTRLACK::GERROR_IRQEN) != 0) {
    signal_gerror();
  }
}

} // namespace sluice::vsmmu

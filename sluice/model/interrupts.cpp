#include <sluice/model/core.hpp>
#include <sluice/model/memory_types.hpp>

// 3.18: each interrupt as a message, as an edge on its wire, or both.
namespace sluice::model {

using arch::GERROR;

namespace {

Place place_of(std::uint64_t gerror_bit) {
  switch (gerror_bit) {
  case GERROR::CMDQ_ERR.mask:
    return at("gerror.CMDQ_ERR");
  case GERROR::EVENTQ_ABT_ERR.mask:
    return at("gerror.EVENTQ_ABT_ERR");
  case GERROR::PRIQ_ABT_ERR.mask:
    return at("gerror.PRIQ_ABT_ERR");
  case GERROR::MSI_CMDQ_ABT_ERR.mask:
    return at("gerror.MSI_CMDQ_ABT_ERR");
  case GERROR::MSI_EVENTQ_ABT_ERR.mask:
    return at("gerror.MSI_EVENTQ_ABT_ERR");
  case GERROR::MSI_PRIQ_ABT_ERR.mask:
    return at("gerror.MSI_PRIQ_ABT_ERR");
  default:
    return at("gerror.MSI_GERROR_ABT_ERR");
  }
}

} // namespace

// 7.5: GERROR toggles only while the error is not active.
bool Core::raise(std::uint64_t gerror_bit) {
  const platform::SpinGuard guard{sync_, gerror_lock_};
  const std::uint64_t active = regs_.get<GERROR>().raw() ^ regs_.get<arch::GERRORN>().raw();
  if ((active & gerror_bit) != 0) {
    return false;
  }
  regs_.toggle<GERROR>(gerror_bit);
  facts_.met(place_of(gerror_bit));
  return true;
}

void Core::pulse(Wire wire) {
  if (!facts_.knobs.wires) {
    return;
  }
  count_.wire_edges.fetch_add(1, base::Order::relaxed);
  bus_.pulse(wire);
}

void Core::send_event() {
  count_.wfe_events.fetch_add(1, base::Order::relaxed);
  bus_.send_event();
}

// False: the write aborted. Address 0, before it is cut to OAS (3.4.3), sends none.
bool Core::message(const Message& m) {
  if (!facts_.features.msi || m.address == 0) {
    return true;
  }
  count_.messages.fetch_add(1, base::Order::relaxed);
  const BusAccess access{m.address & facts_.oas_mask(), 4, attributes({mair_of(m.attr), m.sh}, false, true), {}};
  return bus_.message(access, m.data);
}

template <class Cfg0, class Cfg1, class Cfg2>
Core::Message Core::message_of() const {
  const auto cfg2 = regs_.get<Cfg2>();
  return {regs_.get<Cfg0>().get(Cfg0::ADDR), static_cast<std::uint32_t>(regs_.get<Cfg1>().get(Cfg1::DATA)),
          cfg2.get(Cfg2::MemAttr), cfg2.get(Cfg2::SH)};
}

void Core::signal_event_queue() {
  if (!message(message_of<arch::EVENTQ_IRQ_CFG0, arch::EVENTQ_IRQ_CFG1, arch::EVENTQ_IRQ_CFG2>())) {
    report(GERROR::MSI_EVENTQ_ABT_ERR.mask);
  }
  pulse(Wire::event_queue);
}

void Core::signal_pri_queue() {
  if (!message(message_of<arch::PRIQ_IRQ_CFG0, arch::PRIQ_IRQ_CFG1, arch::PRIQ_IRQ_CFG2>())) {
    report(GERROR::MSI_PRIQ_ABT_ERR.mask);
  }
  pulse(Wire::pri_queue);
}

// 6.3.19: an aborted message of GERROR itself raises no interrupt.
void Core::signal_gerror() {
  if (!message(message_of<arch::GERROR_IRQ_CFG0, arch::GERROR_IRQ_CFG1, arch::GERROR_IRQ_CFG2>())) {
    raise(GERROR::MSI_GERROR_ABT_ERR.mask);
  }
  pulse(Wire::global_error);
}

bool Core::raise_edge(std::uint64_t gerror_bit) {
  return raise(gerror_bit) && regs_.get<arch::IRQ_CTRLACK>().get(arch::IRQ_CTRLACK::GERROR_IRQEN) != 0;
}

void Core::report(std::uint64_t gerror_bit) {
  if (raise_edge(gerror_bit)) {
    signal_gerror();
  }
}

// 4.7.3 CS: the command has been consumed, whatever comes of its message.
void Core::signal_sync(const arch::Command& sync) {
  using arch::Command;
  switch (sync.get(Command::CS)) {
  case arch::SyncSignal::irq:
    if (!message({sync.get(Command::MSIAddress), static_cast<std::uint32_t>(sync.get(Command::MSIData)),
                  sync.get(Command::MSIAttr), sync.get(Command::MSH)})) {
      report(GERROR::MSI_CMDQ_ABT_ERR.mask);
    }
    pulse(Wire::command_sync);
    return;
  case arch::SyncSignal::sev:
    if (facts_.features.sev) {
      send_event();
    }
    return;
  default:
    return;
  }
}

} // namespace sluice::model

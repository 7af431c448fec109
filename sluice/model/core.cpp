#include <sluice/model/core.hpp>

namespace sluice::model {

using arch::CR0ACK;

Core::Core(const Features& features, const Knobs& knobs, Bus& bus, platform::Sync& sync, platform::Time& time)
    : facts_{model::facts(features, knobs)}, bus_{bus}, sync_{sync}, time_{time}, regs_{facts_.id},
      stalls_{sync, features.stall_max} {
  // 6.3.14: IMPLEMENTATION DEFINED reset value, here bypass with the incoming attributes.
  arch::GBPA gbpa;
  if (features.attr_types_override) {
    gbpa.set(arch::GBPA::SHCFG, arch::ShareabilityOverride::incoming);
  }
  regs_.put(gbpa);
  live_gbpa_.store(gbpa.raw(), base::Order::relaxed);
}

std::uint64_t Core::read(std::uint32_t offset, unsigned size) {
  // Registers in which software waits for something.
  switch (offset & ~7U) {
  case arch::CMDQ_PROD::offset: // and CMDQ_CONS
  case arch::CR0::offset:       // and CR0ACK
  case arch::IRQ_CTRL::offset:  // and IRQ_CTRLACK
  case arch::GBPA::offset & ~7U:
    poll();
    break;
  default:
    break;
  }
  return regs_.read(offset, size);
}

void Core::write(std::uint32_t offset, unsigned size, std::uint64_t value) {
  {
    const platform::SpinGuard guard{sync_, write_lock_};
    const auto written = regs_.write(offset, size, value);
    software_faults_.judge(regs_, written, facts_.id);
    if (!written.taken) {
      return;
    }
  }
  switch (offset) {
  case arch::CR0::offset:
  case arch::GBPA::offset:
  case arch::IRQ_CTRL::offset:
  case arch::GERRORN::offset:
  case arch::CMDQ_PROD::offset:
    kick();
    break;
  default:
    break;
  }
}

// The holder of `busy_` works until nobody has kicked since it last began; everyone else only leaves a mark. So no kick
// is lost and nobody waits. Marks come from register writes and from ports that let a barrier pass, not from polling,
// so that readers do not keep the holder.
bool Core::kick() { return busy_.fetch_add(1) == 0 && drain(); }

bool Core::poll() {
  std::uint32_t idle = 0;
  return busy_.compare_exchange(idle, 1) && drain();
}

bool Core::drain() {
  bool any = false;
  std::uint32_t marks = busy_.load();
  do {
    any = work() || any;
    marks = busy_.fetch_sub(marks) - marks;
  } while (marks != 0);
  return any;
}

void Core::attach(PortLink& port) {
  const platform::SpinGuard guard{sync_, ports_lock_};
  port.id = ++last_port_;
  port.next = ports_;
  ports_ = &port;
}

void Core::detach(PortLink& port) {
  {
    const platform::SpinGuard guard{sync_, ports_lock_};
    PortLink** at = &ports_;
    while (*at != &port) {
      at = &(*at)->next;
    }
    *at = port.next;
  }
  kick();
}

Counters Core::counters() const {
  Counters c;
  c.commands = count_.commands.load(base::Order::relaxed);
  c.syncs = count_.syncs.load(base::Order::relaxed);
  c.command_errors = count_.command_errors.load(base::Order::relaxed);
  c.events_recorded = count_.events_recorded.load(base::Order::relaxed);
  c.events_discarded = count_.events_discarded.load(base::Order::relaxed);
  c.wire_edges = count_.wire_edges.load(base::Order::relaxed);
  c.events_merged = count_.events_merged.load(base::Order::relaxed);
  c.broadcasts = count_.broadcasts.load(base::Order::relaxed);
  c.messages = count_.messages.load(base::Order::relaxed);
  c.wfe_events = count_.wfe_events.load(base::Order::relaxed);
  c.syncs_held = count_.syncs_held.load(base::Order::relaxed);
  c.atc_invalidations = count_.atc_invalidations.load(base::Order::relaxed);
  c.atc_timeouts = count_.atc_timeouts.load(base::Order::relaxed);
  c.pages_requested = count_.pages_requested.load(base::Order::relaxed);
  c.page_requests_lost = count_.page_requests_lost.load(base::Order::relaxed);
  c.holding_port = count_.holding_port.load(base::Order::relaxed);
  return c;
}

Snapshot Core::snapshot() {
  Snapshot s;
  s.cr0 = regs_.get<arch::CR0>().raw();
  s.cr0ack = regs_.get<CR0ACK>().raw();
  s.gerror = regs_.get<arch::GERROR>().raw();
  s.gerrorn = regs_.get<arch::GERRORN>().raw();
  s.cmdq_prod = regs_.get<arch::CMDQ_PROD>().raw();
  s.cmdq_cons = regs_.get<arch::CMDQ_CONS>().raw();
  s.eventq_prod = regs_.get<arch::EVENTQ_PROD>().raw();
  s.eventq_cons = regs_.get<arch::EVENTQ_CONS>().raw();
  s.priq_prod = regs_.get<arch::PRIQ_PROD>().raw();
  s.priq_cons = regs_.get<arch::PRIQ_CONS>().raw();
  s.sync_waits = waiting() != 0;
  s.waits_for = s.sync_waits ? held_by_.load() : 0;
  const platform::SpinGuard guard{sync_, ports_lock_};
  for (const PortLink* p = ports_; p != nullptr; p = p->next) {
    ++s.ports;
    s.ports_online += static_cast<std::uint32_t>(p->state.load() & 1);
  }
  return s;
}

} // namespace sluice::model

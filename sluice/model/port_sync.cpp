#include <sluice/model/port_core.hpp>

namespace sluice::model {

// The protocol is explained at PortLink.
void PortCore::go_online() {
  link_.state.store(PortLink::online(seen_), base::Order::relaxed);
  base::full_fence();
  quiesce();
}

void PortCore::go_offline() {
  link_.state.store(PortLink::offline(seen_), base::Order::release);
  base::full_fence();
  if (core_.waiting() > seen_) {
    core_.kick();
  }
}

namespace {
bool is_prefetch(const arch::Command& command) {
  const auto opcode = command.get(arch::Command::Opcode);
  return opcode == arch::Opcode::CMD_PREFETCH_CONFIG || opcode == arch::Opcode::CMD_PREFETCH_ADDR;
}
} // namespace

// Applies what is new in the log and says so. Between accesses only: whoever waits for the position may take it that no
// access uses anything older.
void PortCore::catch_up() {
  const std::uint64_t before = seen_;
  const std::uint64_t head = head_.load(base::Order::acquire);
  bool complete = head - before <= InvalidationLog::size;
  std::uint64_t hints = before; // those that no invalidation follows
  for (std::uint64_t at = before; complete && at != head; ++at) {
    arch::Command command;
    complete = core_.log().read(at, command);
    if (complete && !is_prefetch(command)) {
      apply(command);
      hints = at + 1;
    }
  }
  // 3.21.3, 4.2: an earlier one is dropped. A CMD_SYNC behind the invalidation may have passed, after which nothing may
  // be fetched by way of what was cached before.
  for (arch::Command command; complete && hints != head && core_.log().read(hints, command); ++hints) {
    prefetch(command);
  }
  if (!complete) {
    ++count_.lost_log;
    forget_everything();
    load_registers();
  }
  seen_ = head;
  link_.state.store(PortLink::online(seen_), base::Order::release);
  base::full_fence();
  if (core_.waiting() > before) {
    core_.kick();
  }
}

void PortCore::load_registers() {
  const auto& regs = core_.registers();
  registers_.smmuen = core_.smmuen();
  registers_.atschk = core_.atschk();
  registers_.gbpa = core_.gbpa();
  registers_.base = regs.get<arch::STRTAB_BASE>();
  registers_.cfg = regs.get<arch::STRTAB_BASE_CFG>();
  registers_.cr1 = regs.get<arch::CR1>();
  registers_.cr2 = regs.get<arch::CR2>();
}

// Bindings only combine what is cached, so that dropping them invalidates nothing.
void PortCore::unbind_all() {
  for (Binding& b : bindings()) {
    b.key = 0;
  }
}

template <class Matches>
void PortCore::unbind(Matches matches) {
  for (Binding& b : bindings()) {
    const auto sid = static_cast<std::uint32_t>(b.key);
    const auto ssid = static_cast<std::uint32_t>(b.key >> 32 & 0xfffff);
    if (b.key != 0 && matches(sid, ssid)) {
      b.key = 0;
    }
  }
}

void PortCore::forget_everything() {
  if (stale_watch_) {
    stale_watch_->forget();
  }
  unbind_all();
  tlb_.clear();
  contexts_.clear();
  configuration_.clear();
}

void PortCore::apply(const arch::Command& command) {
  using enum arch::Opcode;
  using arch::Command;
  if (command == InvalidationLog::registers_changed) {
    // 3.11: a change of SMMUEN invalidates nothing.
    load_registers();
    history_.forget();
    unbind_all();
    return;
  }
  ++count_.invalidations;
  if (stale_watch_) {
    stale_watch_->applied(command, vmid_wildcard());
  }
  const auto sid = static_cast<std::uint32_t>(command.get(Command::StreamID));
  const auto ssid = static_cast<std::uint32_t>(command.get(Command::SubstreamID));
  switch (command.get(Command::Opcode)) {
  case CMD_CFGI_STE_RANGE:
    unbind_all();
    configuration_.invalidate(command);
    return;
  case CMD_CFGI_STE:
  case CMD_CFGI_CD_ALL:
    unbind([&](std::uint32_t of, std::uint32_t) { return of == sid; });
    configuration_.invalidate(command);
    return;
  case CMD_CFGI_CD:
    unbind([&](std::uint32_t of, std::uint32_t index) { return of == sid && index == ssid; });
    configuration_.invalidate(command);
    return;
  default:
    invalidate_translations(command);
    return;
  }
}

// 6.3.9 VMW: bits of VMIDs that do not count when an invalidation looks for its translations.
std::uint16_t PortCore::vmid_wildcard() const {
  const auto vmw = core_.registers().get<arch::CR0ACK>().get(arch::CR0ACK::VMW);
  return static_cast<std::uint16_t>(vmw <= 4 ? mask_below(static_cast<unsigned>(vmw)) : 0);
}

// 4.4: scopes. Contexts that go take all their entries with them.
void PortCore::invalidate_translations(const arch::Command& command) {
  using enum arch::Opcode;
  using arch::Command;
  using Kind = Context::Kind;
  const auto vmid = static_cast<std::uint16_t>(command.get(Command::VMID));
  const auto asid = static_cast<std::uint16_t>(command.get(Command::ASID));
  const bool e2h = registers_.cr2.get(arch::CR2::E2H) != 0;
  const World el2 = e2h ? World::el2_e2h : World::el2;

  const auto vmids = static_cast<std::uint16_t>(~vmid_wildcard());
  const auto of_vm = [&](const Context& c) {
    return c.world == World::el1 && (!facts_.features.stage2 || ((c.vmid ^ vmid) & vmids) == 0);
  };
  // 3.17: what an ASID of its own set has cached does not follow the processors' maintenance by ASID.
  const bool by_broadcast = (command.w[0] & InvalidationLog::by_broadcast) != 0;
  const auto follows = [&](const Context& c) { return !(by_broadcast && c.aset); };
  const auto of_asid = [&](const Context& c) { return c.kind == Kind::va && c.asid == asid && follows(c); };
  const auto global = [&](const Context& c) { return c.kind == Kind::va_global && follows(c); };
  const auto forget = [&](auto matches) {
    if (contexts_.forget(matches)) {
      unbind_all();
    }
  };
  const auto by_address = [&](auto matches) {
    const auto range = frame::decode(command, facts_.id, false).range;
    contexts_.each([&](const Context& c, std::uint32_t name) {
      if (matches(c)) {
        tlb_.invalidate(name, range);
      }
    });
  };

  switch (command.get(Command::Opcode)) {
  case CMD_TLBI_NH_ALL:
    forget([&](const Context& c) { return of_vm(c) && c.kind != Kind::ipa; });
    return;
  case CMD_TLBI_NH_ASID:
    forget([&](const Context& c) { return of_vm(c) && of_asid(c); });
    return;
  case CMD_TLBI_NH_VA:
    by_address([&](const Context& c) { return of_vm(c) && (of_asid(c) || global(c)); });
    return;
  case CMD_TLBI_NH_VAA:
    by_address([&](const Context& c) { return of_vm(c) && c.kind != Kind::ipa; });
    return;
  case CMD_TLBI_EL2_ALL:
    forget([&](const Context& c) { return c.world != World::el1; });
    return;
  case CMD_TLBI_EL2_ASID:
    forget([&](const Context& c) { return c.world == World::el2_e2h && of_asid(c); });
    return;
  case CMD_TLBI_EL2_VA: // E2H 0: no ASIDs
    by_address([&](const Context& c) { return c.world == el2 && (e2h ? of_asid(c) || global(c) : follows(c)); });
    return;
  case CMD_TLBI_EL2_VAA:
    by_address([&](const Context& c) { return c.world == el2 && (e2h || follows(c)); });
    return;
  case CMD_TLBI_S2_IPA: // not what stage 1 and 2 have made together
    by_address([&](const Context& c) { return of_vm(c) && c.kind == Kind::ipa; });
    return;
  case CMD_TLBI_S12_VMALL:
    forget(of_vm);
    return;
  case CMD_TLBI_NSNH_ALL:
    forget([&](const Context& c) { return c.world == World::el1; });
    return;
  default:
    return;
  }
}

} // namespace sluice::model

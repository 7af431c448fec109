#include <sluice/driver/smmu.hpp>

// Probe, reset and shut-down. 3.11
namespace sluice::driver {

using base::Errc;
using base::Result;
using base::Status;
using namespace arch;

namespace {

IdRegisters read_id(Registers& r) {
  IdRegisters id;
  id.idr0 = r.read<IDR0>();
  id.idr1 = r.read<IDR1>();
  id.idr2 = r.read<IDR2>();
  id.idr3 = r.read<IDR3>();
  id.idr4 = r.read<IDR4>();
  id.idr5 = r.read<IDR5>();
  id.iidr = r.read<IIDR>();
  id.aidr = r.read<AIDR>();
  return id;
}

constexpr unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }

} // namespace

Result<platform::Owned<Smmu>> Smmu::make(const platform::Platform& platform, platform::Mmio& mmio,
                                         const Config& config) {
  auto parts = platform::make<Parts>(platform.memory, platform, mmio, config);
  if (!parts) {
    return parts.error();
  }
  Parts& p = **parts;
  const auto capabilities = decode(read_id(p.registers));
  if (!capabilities) {
    return capabilities.error();
  }
  p.capabilities = *capabilities;
  p.facts = entry_facts(*capabilities, platform.memory.facts().coherent_walks);
  p.facts.e2h = p.shares_asids() && config.broadcast == Broadcast::el2_e2h;

  auto smmu = platform::make<Smmu>(platform.memory, platform, std::move(*parts));
  if (!smmu) {
    return smmu.error();
  }
  const auto allocated = (*smmu)->allocate();
  if (!allocated) {
    return allocated.error();
  }
  const auto started = (*smmu)->start();
  if (!started) {
    return started.error();
  }
  const auto& id = p.capabilities.id;
  p.health.note(platform::Severity::info, Code::probed, id.idr0.raw(), id.idr1.raw(), id.idr3.raw(), id.idr5.raw());
  return smmu;
}

// Everything that can be refused comes before the first register is written.
Status Smmu::allocate() {
  Parts& p = *parts_;
  const auto& c = p.capabilities;
  const unsigned commands = smaller(p.config.command_queue_log2, c.command_queue_log2);
  const unsigned events = smaller(p.config.event_queue_log2, c.event_queue_log2);
  const bool two_levels = c.two_level_streams && !p.config.linear_stream_table;
  for (const Status s : {p.commands.make(commands > 0 ? commands : 1), events_.make(events),
                         p.streams.make(smaller(p.config.stream_bits, c.stream_bits), two_levels),
                         p.asids.make(c.asid_bits), p.vmids.make(c.vmid_bits)}) {
    if (!s) {
      return s;
    }
  }
  const auto queue = p.page_request_queue.make(p.config);
  if (!queue) {
    return queue;
  }
  if (c.pages_wait()) {
    const auto requests = p.page_requests.make(p.config.page_requests, p.config.page_request_timeout_us);
    if (!requests) {
      return requests;
    }
  }
  if (p.commands.log2() != commands) {
    p.health.warn(Code::queue_shrunk, 0, commands, p.commands.log2());
  }
  if (events_.log2() != events) {
    p.health.warn(Code::queue_shrunk, 1, events, events_.log2());
  }
  const unsigned requests = smaller(p.config.page_request_queue_log2, c.page_request_queue_log2);
  if (p.page_request_queue.works() && p.page_request_queue.log2() != requests) {
    p.health.warn(Code::queue_shrunk, 2, requests, p.page_request_queue.log2());
  }
  return {};
}

Status Smmu::start() {
  Parts& p = *parts_;
  touched_ = true;
  const CR0 found = p.registers.read<CR0>();
  if (found.get(CR0::SMMUEN) == 1) {
    // Somebody's devices may still be at work; without translation their addresses mean something else.
    p.health.warn(Code::was_enabled, found.raw());
    const auto aborting = p.handshake.gbpa_abort(true);
    if (!aborting) {
      return aborting;
    }
  }
  const auto off = p.handshake.cr0(CR0{});
  if (!off) {
    return off;
  }
  {
    const auto guard = p.errors.guard();
    p.errors.acknowledge(p.errors.active()); // 7.1: an old CMDQ_ERR would keep the queue from starting
  }
  program_attributes();
  p.registers.write(p.streams.base());
  p.registers.write(p.streams.base_cfg());

  const auto commands = start_commands();
  if (!commands) {
    return commands;
  }
  events_.program();
  const bool page_requests = p.page_request_queue.works();
  if (page_requests) {
    p.page_request_queue.program();
  }
  const auto cr0 = CR0{}.with(CR0::CMDQEN, 1).with(CR0::EVENTQEN, 1).with(CR0::PRIQEN, page_requests);
  const auto events = p.handshake.cr0(cr0);
  if (!events) {
    return events;
  }
  const auto interrupts = start_interrupts();
  if (!interrupts) {
    return interrupts;
  }
  // 3.9.1: translated requests are let through only where ATS is on.
  return p.handshake.cr0(cr0.with(CR0::SMMUEN, 1).with(CR0::ATSCHK, p.capabilities.ats && p.config.ats));
}

// 6.3.11, 6.3.12; guarded by SMMUEN and the queues' enables.
void Smmu::program_attributes() {
  Parts& p = *parts_;
  const auto cache = p.facts.coherent ? RegisterCacheability::write_back : RegisterCacheability::non_cacheable;
  const auto share = p.facts.coherent ? Shareability::inner : Shareability::outer;
  p.registers.write(CR1{}
                        .with(CR1::QUEUE_IC, cache)
                        .with(CR1::QUEUE_OC, cache)
                        .with(CR1::QUEUE_SH, share)
                        .with(CR1::TABLE_IC, cache)
                        .with(CR1::TABLE_OC, cache)
                        .with(CR1::TABLE_SH, share));
  // PTM: TLBs do not listen to the processors' invalidations, unless some of their ASIDs are ours. What broadcasts name
  // otherwise, VMIDs and by them all ASIDs, is at worst forgotten without need.
  const bool deaf = has(p.capabilities.id, Feature::btm) && !p.shares_asids();
  p.registers.write(CR2{}.with(CR2::RECINVSID, 1).with(CR2::PTM, deaf).with(CR2::E2H, p.facts.e2h));
}

// Configuration first: with it still cached the TLBs could be filled again. 4.3, 4.4
Status Smmu::start_commands() {
  Parts& p = *parts_;
  p.commands.program();
  const auto enabled = p.handshake.cr0(CR0{}.with(CR0::CMDQEN, 1));
  if (!enabled) {
    return enabled;
  }
  const auto configuration = p.commands.submit(cmd::cfgi_all());
  if (!configuration) {
    return configuration;
  }
  if (p.capabilities.hyp) {
    const auto el2 = p.commands.submit(cmd::tlbi_el2_all());
    if (!el2) {
      return el2;
    }
  }
  return p.commands.submit(cmd::tlbi_nsnh_all());
}

Status Smmu::start_interrupts() {
  Parts& p = *parts_;
  const auto off = p.handshake.irq_ctrl(IRQ_CTRL{});
  if (!off) {
    return off;
  }
  const bool page_requests = p.page_request_queue.works();
  if (page_requests) {
    const auto pages =
        start_interrupt<PRIQ_IRQ_CFG0, PRIQ_IRQ_CFG1, PRIQ_IRQ_CFG2>(page_request_handler_, p.config.page_request_wire);
    if (!pages) {
      return pages;
    }
  }
  const auto events =
      start_interrupt<EVENTQ_IRQ_CFG0, EVENTQ_IRQ_CFG1, EVENTQ_IRQ_CFG2>(event_handler_, p.config.event_wire);
  if (!events) {
    return events;
  }
  const auto errors =
      start_interrupt<GERROR_IRQ_CFG0, GERROR_IRQ_CFG1, GERROR_IRQ_CFG2>(gerror_handler_, p.config.gerror_wire);
  if (!errors) {
    return errors;
  }
  const auto wanted = IRQ_CTRL{}
                          .with(IRQ_CTRL::EVENTQ_IRQEN, p.config.event_wire.connected)
                          .with(IRQ_CTRL::GERROR_IRQEN, p.config.gerror_wire.connected)
                          .with(IRQ_CTRL::PRIQ_IRQEN, page_requests && p.config.page_request_wire.connected);
  return wanted.raw() == 0 ? Status{} : p.handshake.irq_ctrl(wanted);
}

// 3.18; 6.3.18: written while the interrupt's enable and its acknowledgement are 0.
template <class Cfg0, class Cfg1, class Cfg2>
Status Smmu::start_interrupt(Handler& handler, const Wire& wire) {
  Parts& p = *parts_;
  const auto connected = handler.connect(wire);
  if (!connected) {
    return connected;
  }
  Cfg2 how{};
  if (has(p.capabilities.id, Feature::msi)) {
    p.registers.write(Cfg0{}); // UNKNOWN after reset; address 0 sends none
    const bool wanted = p.config.messages && handler.connected();
    const auto message = wanted ? platform().irq.message(wire.line) : Result<platform::IrqMessage>{Errc::unsupported};
    if (wanted && fits(message, wire)) {
      how.set(Cfg2::MemAttr, MemAttr::device_ngnre).set(Cfg2::SH, Shareability::outer);
      p.registers.write(Cfg1{}.with(Cfg1::DATA, message->data));
      p.registers.write(how);
      p.registers.write(Cfg0{}.with(Cfg0::ADDR, message->address));
      return {};
    }
  }
  if constexpr (Cfg2::offset == PRIQ_IRQ_CFG2::offset) {
    p.registers.write(how); // LO: when the queue is no longer empty
  }
  return {};
}

// Else there is the wire, if the SMMU has any.
bool Smmu::fits(const Result<platform::IrqMessage>& message, const Wire& wire) {
  Parts& p = *parts_;
  if (!message) {
    p.health.warn(Code::no_message, wire.line, static_cast<std::uint64_t>(message.error()));
    return false;
  }
  const std::uint64_t address = message->address;
  if (address == 0 || address % 4 != 0 || address >> p.capabilities.output_bits != 0) { // 3.4.3
    p.health.warn(Code::no_message, wire.line, 0, address);
    return false;
  }
  return true;
}

Status Smmu::Handler::connect(const Wire& wire) {
  if (!wire.connected) {
    return {};
  }
  const auto status = smmu_.platform().irq.connect(wire.line, *this);
  if (!status) {
    smmu_.parts_->health.error(Code::no_irq, wire.line);
    return status;
  }
  connected_ = true;
  line_ = wire.line;
  return {};
}

void Smmu::Handler::disconnect() {
  if (connected_) {
    connected_ = false;
    smmu_.platform().irq.disconnect(line_);
  }
}

// Says whether the SMMU has confirmed that it is off.
bool Smmu::stop() {
  Parts& p = *parts_;
  bool confirmed = true;
  if (p.registers.read<CR0>().get(CR0::SMMUEN) == 1) {
    confirmed = p.handshake.gbpa_abort(true).ok();
  }
  confirmed = p.handshake.irq_ctrl(IRQ_CTRL{}).ok() && confirmed;
  event_handler_.disconnect();
  gerror_handler_.disconnect();
  page_request_handler_.disconnect();
  return p.handshake.cr0(CR0{}).ok() && confirmed;
}

Smmu::~Smmu() {
  const bool off = !touched_ || stop();
  platform().sync.reclaim();
  // Domains that are gone may still be called by address spaces, for as long as their calls take.
  base::check(platform::wait_until(platform().time, 10 * parts_->config.timeout_us,
                                   [&] { return parts_->subscriptions.load(base::Order::acquire) == 0; }));
  if (off) {
    parts_->held.free_all();
    return;
  }
  // It may still read its tables and write its event queue: their memory is never used again.
  parts_->health.error(Code::tables_held);
  events_.forget();
  parts_->page_request_queue.forget();
  static_cast<void>(parts_.release());
}

} // namespace sluice::driver

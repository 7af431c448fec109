#include <sluice/differential/frontend.hpp>

#include <sluice/arch/commands.hpp>
#include <sluice/arch/queues.hpp>

namespace sluice::differential {

using arch::CR0;

namespace {

constexpr std::uint32_t queues_on = CR0::CMDQEN.mask | CR0::EVENTQEN.mask;

} // namespace

Frontend::Frontend(platform::Mmio& registers, Ram& ram, std::uint64_t queues)
    : registers_{registers}, ram_{ram}, commands_{queues}, events_{queues + 0x8000} {}

void Frontend::start() {
  registers_.write32(CR0::offset, 0);
  registers_.write64(arch::CMDQ_BASE::offset, commands_ | area::queue_log2);
  registers_.write32(arch::CMDQ_PROD::offset, 0);
  registers_.write32(arch::CMDQ_CONS::offset, 0);
  registers_.write64(arch::EVENTQ_BASE::offset, events_ | area::queue_log2);
  registers_.write32(arch::EVENTQ_PROD::offset, 0);
  registers_.write32(arch::EVENTQ_CONS::offset, 0);
  registers_.write32(arch::CR2::offset, static_cast<std::uint32_t>(arch::CR2::RECINVSID.mask));
  registers_.write32(CR0::offset, queues_on);
  enable();
}

void Frontend::disable() {
  if (enabled_) {
    registers_.write32(CR0::offset, queues_on);
    enabled_ = false;
  }
}

void Frontend::enable() {
  if (!enabled_) {
    registers_.write32(CR0::offset, queues_on | CR0::SMMUEN.mask);
    enabled_ = true;
  }
}

// 6.3.24, 6.3.25: the registers are written while SMMUEN is 0.
void Frontend::prepare(const Case& c) {
  if (!pointed_ || c.base != base_ || c.cfg != cfg_) {
    disable();
    registers_.write64(arch::STRTAB_BASE::offset, c.base.raw());
    registers_.write32(arch::STRTAB_BASE_CFG::offset, static_cast<std::uint32_t>(c.cfg.raw()));
    base_ = c.base;
    cfg_ = c.cfg;
    pointed_ = true;
  }
  enable();
  submit(arch::cmd::cfgi_all());
  submit(arch::cmd::tlbi_nsnh_all());
  submit(arch::cmd::sync());
  registers_.write32(arch::CMDQ_PROD::offset, prod_);
}

void Frontend::submit(const arch::Command& command) {
  const std::uint64_t at = commands_ + arch::command_size * arch::queue_index(prod_, area::queue_log2);
  ram_.put(at, command.w[0]);
  ram_.put(at + 8, command.w[1]);
  prod_ = arch::queue_advance(prod_, area::queue_log2);
}

std::vector<arch::Event> Frontend::events() {
  std::vector<arch::Event> all;
  const std::uint32_t to = registers_.read32(arch::EVENTQ_PROD::offset);
  while (!arch::queue_empty(to, cons_, area::queue_log2)) {
    const std::uint64_t at = events_ + arch::event_size * arch::queue_index(cons_, area::queue_log2);
    arch::Event e;
    for (unsigned i = 0; i < arch::Event::word_count; ++i) {
      e.w[i] = ram_.get(at + 8ULL * i);
    }
    all.push_back(e);
    cons_ = arch::queue_advance(cons_, area::queue_log2);
  }
  if (!all.empty()) {
    registers_.write32(arch::EVENTQ_CONS::offset, cons_);
  }
  return all;
}

} // namespace sluice::differential

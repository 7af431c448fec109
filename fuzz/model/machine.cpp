#include "machine.hpp"

#include <sluice/arch/commands.hpp>
#include <sluice/arch/queues.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/model/idr.hpp>
#include <sluice/model/presets.hpp>

namespace sluice::fuzz {

using namespace arch;
using reference::below;

model::Features Machine::choose_features(Input& input) {
  const model::Features preset = model::presets[input.below(model::presets.size())].features;
  model::Features f = preset;
  f.substreamid_bits = f.substreamid_bits == 0 && input.flag() ? 8 : f.substreamid_bits;
  const model::Features good = f;
  bool* const flags[] = {&f.stage1,
                         &f.stage2,
                         &f.asid16,
                         &f.vmid16,
                         &f.two_level_streams,
                         &f.hyp,
                         &f.sev,
                         &f.msi,
                         &f.btm,
                         &f.two_level_cds,
                         &f.fwb,
                         &f.xnx,
                         &f.had,
                         &f.vmw,
                         &f.terminate_only_abort,
                         &f.e0pd,
                         &f.ptwnnc,
                         &f.gran4k,
                         &f.va52,
                         &f.attr_types_override,
                         &f.gran16k,
                         &f.small_tables,
                         &f.gran64k,
                         &f.ats,
                         &f.attr_perms_override,
                         &f.pri,
                         &f.coherent,
                         &f.range_invalidation};
  for (std::uint64_t n = input.below(5); n > 0; --n) {
    bool& flag = *flags[input.below(std::size(flags))];
    flag = !flag;
  }
  switch (input.below(16)) {
  case 1:
    f.version = static_cast<unsigned>(input.below(6));
    break;
  case 2:
    f.httu = static_cast<unsigned>(input.below(4));
    break;
  case 3:
    f.stall_model = static_cast<unsigned>(input.below(4));
    f.stall_max = static_cast<unsigned>(input.below(5));
    break;
  case 4:
    f.oas_bits = std::array{32U, 36U, 40U, 42U, 44U, 48U, 52U, 56U}[input.below(8)];
    break;
  case 5:
    f.streamid_bits = static_cast<unsigned>(input.below(34));
    break;
  case 6:
    f.substreamid_bits = static_cast<unsigned>(input.below(22));
    break;
  case 7:
    f.bbml = static_cast<unsigned>(input.below(4));
    break;
  case 8:
    f.cmdq_log2 = static_cast<unsigned>(input.below(21));
    break;
  case 9:
    f.eventq_log2 = static_cast<unsigned>(input.below(21));
    break;
  case 10:
    f.httu = 2;
    f.stall_model = 0;
    f.stall_max = 3;
    break;
  default:
    break;
  }
  return model::refusal(f, {}) == model::Refusal::none ? f : good;
}

Machine::Machine(Input& input) {
  const model::Features features = choose_features(input);
  model::Knobs knobs;
  const std::uint64_t choice = input.byte();
  knobs.reserved_bits_illegal = reserved_bits_illegal_ = (choice & 1) == 0;
  knobs.merge_events = (choice >> 1 & 1) != 0;
  knobs.wires = (choice >> 2 & 1) == 0;
  knobs.ste_cache = knobs.cd_cache = 1U << (choice >> 3 & 3);
  knobs.tlb = knobs.walk_cache = 1U << 2 * (choice >> 5 & 3);
  knobs.watch_stale = (choice >> 7 & 1) != 0;
  reads_at_will_ = knobs.watch_stale; // what an entry came from, whatever the transaction asks of it
  knobs.sync_hold_report_us = 1;
  if (input.one_in(4)) {
    const std::uint64_t adverse = input.byte();
    knobs.adversary = {(adverse & 1) != 0,      (adverse >> 1 & 1) != 0, (adverse >> 2 & 1) != 0,
                       (adverse >> 3 & 1) != 0, (adverse >> 4 & 1) != 0, adverse};
    reads_at_will_ = reads_at_will_ || knobs.adversary.acts() || knobs.adversary.any_order;
    prefetches_ = knobs.adversary.prefetch;
    knobs.grant_unasked_write = (adverse >> 5 & 1) != 0;
    knobs.truncate_translated = (adverse >> 6 & 1) != 0;
    knobs.override_translated = (adverse >> 7 & 1) != 0;
  }
  knobs.atc_timeout_us = 10'000;
  auto made = model::Smmu::make(features, knobs, memory, sync_, time_);
  if (!made.ok()) {
    finding("an SMMU with good features is refused");
  }
  smmu = std::move(*made);
  memory.oas = features.oas_bits;
  image = std::make_unique<Image>(input, memory, registers());
  port = std::make_unique<model::Port>(*smmu);
  other = std::make_unique<model::Port>(*smmu);
  const std::uint64_t controls = input.byte();
  write(CR1::offset, 4, (controls >> 5 & 7) * 0b001'001'001'001);
  write(CR2::offset, 4, controls & 15);
  restore();
  write(CR0::offset, 4, read(CR0::offset) | CR0::SMMUEN.mask | ((controls >> 4 & 1) != 0 ? CR0::ATSCHK.mask : 0));
  invalidate_everything();
}

Machine::~Machine() = default;

reference::Registers Machine::registers() {
  reference::Registers r;
  r.idr0 = IDR0::from(read(IDR0::offset));
  r.idr1 = IDR1::from(read(IDR1::offset));
  r.idr3 = IDR3::from(read(IDR3::offset));
  r.idr5 = IDR5::from(read(IDR5::offset));
  r.aidr = AIDR::from(read(AIDR::offset));
  r.cr0 = CR0::from(read(CR0ACK::offset));
  r.cr1 = CR1::from(read(CR1::offset));
  r.cr2 = CR2::from(read(CR2::offset));
  r.base = STRTAB_BASE::from(smmu->read(STRTAB_BASE::offset, 8));
  r.cfg = STRTAB_BASE_CFG::from(read(STRTAB_BASE_CFG::offset));
  r.gbpa = GBPA::from(read(GBPA::offset));
  r.reserved_bits_illegal = reserved_bits_illegal_;
  return r;
}

void Machine::write(std::uint32_t offset, unsigned size, std::uint64_t value) {
  smmu->write(offset, size, value);
  watch_registers();
}

// 3.5.1, 6.3.25: what queues and stream table take.
void Machine::watch_registers() {
  const std::uint64_t cut = below(memory.oas);
  const auto queue = [&](std::uint64_t base, unsigned most, std::size_t entry) -> Memory::Region {
    const unsigned log2 = effective_log2(base & 0x1f, most);
    const std::uint64_t bytes = queue_align(log2, entry);
    return {base & below(56) & ~0x1fULL & cut & ~(bytes - 1), bytes};
  };
  const auto r = registers();
  memory.commands =
      queue(smmu->read(CMDQ_BASE::offset, 8), static_cast<unsigned>(r.idr1.get(IDR1::CMDQS)), command_size);
  memory.events =
      queue(smmu->read(EVENTQ_BASE::offset, 8), static_cast<unsigned>(r.idr1.get(IDR1::EVENTQS)), event_size);
  memory.page_requests =
      queue(smmu->read(PRIQ_BASE::offset, 8), static_cast<unsigned>(r.idr1.get(IDR1::PRIQS)), pri_record_size);
  const auto log2 = static_cast<unsigned>(r.cfg.get(STRTAB_BASE_CFG::LOG2SIZE));
  const bool two_level = r.idr0.get(IDR0::ST_LEVEL) == StLevel::two_level &&
                         r.cfg.get(STRTAB_BASE_CFG::FMT) == StreamTableFormat::two_level;
  const auto asked = static_cast<unsigned>(r.cfg.get(STRTAB_BASE_CFG::SPLIT));
  const unsigned split = asked == 8 || asked == 10 ? asked : 6;
  const unsigned table = !two_level ? log2 + 6 : log2 > split + 3 ? log2 - split + 3 : 6;
  memory.tables.push_back({r.base.get(STRTAB_BASE::ADDR) & cut & ~below(table), below(table) + 1});
}

void Machine::restore() {
  memory.heal();
  const std::uint32_t cr0 = read(CR0::offset);
  smmu->write(CR0::offset, 4, 0);
  await_command_queue_off();
  smmu->write(IRQ_CTRL::offset, 4, 0);
  smmu->write(GERRORN::offset, 4, read(GERROR::offset));
  smmu->write(CMDQ_BASE::offset, 8, image->commands | queue_log2);
  smmu->write(CMDQ_PROD::offset, 4, 0);
  smmu->write(CMDQ_CONS::offset, 4, 0);
  smmu->write(EVENTQ_BASE::offset, 8, image->events | queue_log2);
  smmu->write(EVENTQ_PROD::offset, 4, 0);
  smmu->write(EVENTQ_CONS::offset, 4, 0);
  smmu->write(PRIQ_BASE::offset, 8, image->page_requests | queue_log2);
  smmu->write(PRIQ_PROD::offset, 4, 0);
  smmu->write(PRIQ_CONS::offset, 4, 0);
  smmu->write(STRTAB_BASE::offset, 8, image->stream_table);
  smmu->write(STRTAB_BASE_CFG::offset, 4, image->stream_table_cfg);
  const std::uint64_t kept = cr0 & (CR0::SMMUEN.mask | CR0::ATSCHK.mask);
  smmu->write(CR0::offset, 4, kept | CR0::PRIQEN.mask | CR0::EVENTQEN.mask | CR0::CMDQEN.mask);
  const std::uint32_t exist = ~((read(IDR0::offset) & IDR0::PRI.mask) != 0 ? 0U : std::uint32_t{CR0::PRIQEN.mask});
  if (((read(CR0ACK::offset) ^ read(CR0::offset)) & exist) != 0) {
    finding("CR0 0x%x is acknowledged as 0x%x", read(CR0::offset), read(CR0ACK::offset));
  }
  watch_registers();
}

// 6.3.9: a CMD_SYNC on its way may wait for endpoints as long as their time-out; till then CMDQ_CONS is not written.
void Machine::await_command_queue_off() {
  constexpr unsigned most = 100;
  for (unsigned looks = 0; (read(CR0ACK::offset) & CR0::CMDQEN.mask) != 0; ++looks) {
    if (looks == most) {
      finding("CMDQEN 0 is not acknowledged, CMDQ_CONS is 0x%x", read(CMDQ_CONS::offset));
    }
  }
}

bool Machine::commands_work() {
  const bool enabled = (read(CR0ACK::offset) & CR0::CMDQEN.mask) != 0;
  const bool error = ((read(GERROR::offset) ^ read(GERRORN::offset)) & GERROR::CMDQ_ERR.mask) != 0;
  const auto prod = read(CMDQ_PROD::offset) & queue_pointer_mask;
  const auto cons = read(CMDQ_CONS::offset) & queue_pointer_mask;
  const auto base = smmu->read(CMDQ_BASE::offset, 8);
  const unsigned log2 = effective_log2(base & 0x1f, IDR1::from(read(IDR1::offset)).get(IDR1::CMDQS));
  return enabled && !error && log2 >= 3 && queue_empty(prod, cons, log2) && !memory.aborts(memory.commands.first) &&
         memory.commands.first == image->commands;
}

void Machine::submit(const Command& command) {
  const auto base = CMDQ_BASE::from(smmu->read(CMDQ_BASE::offset, 8));
  const unsigned log2 = effective_log2(base.get(CMDQ_BASE::LOG2SIZE), IDR1::from(read(IDR1::offset)).get(IDR1::CMDQS));
  const std::uint32_t prod = read(CMDQ_PROD::offset);
  const std::uint64_t at = memory.commands.first + queue_index(prod, log2) * 16ULL;
  memory.put(at, command.w[0]);
  memory.put(at + 8, command.w[1]);
  smmu->write(CMDQ_PROD::offset, 4, queue_advance(prod, log2));
}

void Machine::run(std::initializer_list<Command> commands) {
  if (!commands_work()) {
    restore();
  }
  memory.atc_answer = model::AtcAnswer::completed;
  memory.atc_done = true;
  for (const Command& c : commands) {
    submit(c);
  }
  submit(cmd::sync());
  // 3.9.1.4: an ATC that has not answered in time fails the next CMD_SYNC, and not the one after.
  if (CMDQ_CONS::from(read(CMDQ_CONS::offset)).get(CMDQ_CONS::ERR) == Cerror::ATC_INV_SYNC) {
    smmu->write(GERRORN::offset, 4, read(GERROR::offset));
  }
  const unsigned log2 =
      effective_log2(smmu->read(CMDQ_BASE::offset, 8) & 0x1f, IDR1::from(read(IDR1::offset)).get(IDR1::CMDQS));
  const std::uint32_t cons = read(CMDQ_CONS::offset);
  if (!queue_empty(read(CMDQ_PROD::offset), cons, log2)) {
    finding("a legal command is not consumed, CMDQ_CONS is 0x%x", cons);
  }
}

void Machine::invalidate_everything() {
  if ((read(IDR0::offset) & IDR0::Hyp.mask) != 0) {
    run({cmd::cfgi_all(), cmd::tlbi_nsnh_all(), cmd::tlbi_el2_all()});
  } else {
    run({cmd::cfgi_all(), cmd::tlbi_nsnh_all()});
  }
  memory.forget();
  memory.tables.clear();
  watch_registers();
}

std::vector<Event> Machine::take_events() {
  std::vector<Event> events;
  const auto base = EVENTQ_BASE::from(smmu->read(EVENTQ_BASE::offset, 8));
  const unsigned log2 =
      effective_log2(base.get(EVENTQ_BASE::LOG2SIZE), IDR1::from(read(IDR1::offset)).get(IDR1::EVENTQS));
  const std::uint32_t prod = read(EVENTQ_PROD::offset);
  const std::uint32_t cons = read(EVENTQ_CONS::offset);
  if (queue_used(prod, cons, log2) <= 1U << log2) {
    for (std::uint32_t at = cons; !queue_empty(prod, at, log2); at = queue_advance(at, log2)) {
      Event e;
      for (unsigned i = 0; i < 4; ++i) {
        e.w[i] = memory.get(memory.events.first + queue_index(at, log2) * 32ULL + 8 * i);
      }
      events.push_back(e);
    }
  }
  smmu->write(EVENTQ_CONS::offset, 4, prod);
  return events;
}

bool Machine::events_writable() {
  const bool enabled = (read(CR0ACK::offset) & CR0::EVENTQEN.mask) != 0;
  const bool error = ((read(GERROR::offset) ^ read(GERRORN::offset)) & GERROR::EVENTQ_ABT_ERR.mask) != 0;
  const unsigned log2 =
      effective_log2(smmu->read(EVENTQ_BASE::offset, 8) & 0x1f, IDR1::from(read(IDR1::offset)).get(IDR1::EVENTQS));
  const std::uint32_t prod = read(EVENTQ_PROD::offset);
  return enabled && !error && queue_used(prod, read(EVENTQ_CONS::offset), log2) < 1U << log2 &&
         !memory.aborts(memory.events.first + queue_index(prod, log2) * 32ULL);
}

} // namespace sluice::fuzz

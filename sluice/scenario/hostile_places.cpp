#include <sluice/scenario/hostile_places.hpp>

#include <sluice/arch/commands.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/queues.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/machine/copy.hpp>

#include <fmt/format.h>

#include <array>

namespace sluice::scenario {

using namespace arch;

namespace {

// From the beginning of its RAM, where they are no mistake.
constexpr std::uint64_t table_at = 0x0, queue_at = 0x1'0000, events_at = 0x2'0000, second_at = 0x3'0000;
constexpr unsigned streams_bits = 6, commands_bits = 6, records_bits = 4;
constexpr std::uint64_t queue_bytes = command_size << commands_bits, events_bytes = event_size << records_bits;

} // namespace

std::optional<std::string> HostilePlaces::try_one() {
  auto& frame = vm_.frame();
  const std::uint64_t ram = vm_.arena.bus_base();
  frame.write32(CR0::offset, 0);
  frame.write32(GERRORN::offset, frame.read32(GERROR::offset));
  frame.write64(STRTAB_BASE::offset, ram + table_at);
  frame.write32(STRTAB_BASE_CFG::offset, streams_bits);
  place(Queue::commands, ram + queue_at);
  place(Queue::events, ram + events_at);
  put_ste(Ste{});
  switch (random_.below(6)) {
  case 0:
    return commands_nowhere();
  case 1:
    return commands_at_the_end();
  case 2:
    return events_nowhere();
  case 3:
    return table_nowhere();
  case 4:
    return second_level_nowhere();
  default:
    return all_at_once();
  }
}

// Behind its RAM, before it, and at the end of what an address of 44 bits can say; on 64 KB.
std::uint64_t HostilePlaces::nowhere() {
  constexpr std::uint64_t block = 0x1'0000;
  switch (random_.below(4)) {
  case 0:
    return vm_.arena.bus_base() + vm_.arena.size();
  case 1:
    return vm_.arena.bus_base() - block;
  case 2:
    return (1ULL << 44) - block;
  default:
    return vm_.arena.bus_base() + vm_.arena.size() + block * random_.below(1 << 16);
  }
}

// 3.5.1, 6.3.24: what lies below the alignment is taken as 0.
std::uint64_t HostilePlaces::askew(std::uint64_t base, std::uint64_t bytes) {
  return random_.one_in(2) ? base : base + 64 * random_.below(static_cast<std::uint32_t>(bytes / 64));
}

void HostilePlaces::put(std::uint64_t address, std::uint64_t value) {
  if (const auto at = vm_.arena.at(address, 8)) {
    machine::copy_in(*at, &value, sizeof value);
  }
}

void HostilePlaces::put_ste(const Ste& ste) {
  for (std::size_t n = 0; n < Ste::word_count; ++n) {
    put(vm_.arena.bus_base() + table_at + Ste::byte_size * stream_ + 8 * n, ste.w[n]);
  }
}

void HostilePlaces::place(Queue queue, std::uint64_t base) {
  auto& frame = vm_.frame();
  if (queue == Queue::commands) {
    frame.write64(CMDQ_BASE::offset, base | commands_bits);
    frame.write32(CMDQ_CONS::offset, 0);
    frame.write32(CMDQ_PROD::offset, 0);
  } else {
    frame.write64(EVENTQ_BASE::offset, base | records_bits);
    frame.write32(EVENTQ_CONS::offset, frame.read32(EVENTQ_PROD::offset)); // empty
  }
}

void HostilePlaces::enable() {
  vm_.frame().write32(CR0::offset,
                      static_cast<std::uint32_t>(CR0::SMMUEN.mask | CR0::EVENTQEN.mask | CR0::CMDQEN.mask));
}

void HostilePlaces::run(std::span<const Command> commands) {
  auto& frame = vm_.frame();
  const std::uint64_t base = CMDQ_BASE::from(frame.read64(CMDQ_BASE::offset)).get(CMDQ_BASE::ADDR);
  const std::uint64_t from = base & ~(queue_bytes - 1);
  for (std::size_t n = 0; n < commands.size(); ++n) {
    put(from + command_size * n, commands[n].w[0]);
    put(from + command_size * n + 8, commands[n].w[1]);
  }
  frame.write32(CMDQ_PROD::offset, static_cast<std::uint32_t>(commands.size()));
}

bool HostilePlaces::active(std::uint64_t gerror_bit) {
  return ((vm_.frame().read32(GERROR::offset) ^ vm_.frame().read32(GERRORN::offset)) & gerror_bit) != 0;
}

// Whether it is among what is in the queue; or cannot be told, because the queue has had no room.
bool HostilePlaces::recorded(EventType type, std::uint64_t fetched) {
  auto& frame = vm_.frame();
  const std::uint32_t prod = frame.read32(EVENTQ_PROD::offset);
  const std::uint32_t used = queue_used(prod, frame.read32(EVENTQ_CONS::offset), records_bits);
  for (std::uint32_t n = 0; n < used && used < 1U << records_bits; ++n) {
    const auto at = queue_index(prod + (1U << records_bits) - used + n, records_bits);
    Event event;
    const auto from = vm_.arena.at(vm_.arena.bus_base() + events_at + event_size * at, event_size);
    machine::copy_out(*from, event.w.data(), event_size);
    if (event.get(Event::Type) == type && event.get(Event::StreamID) == stream_ &&
        event.get(Event::FetchAddr) == fetched) {
      return true;
    }
  }
  return used >= 1U << records_bits;
}

// 7.1: the command cannot be fetched.
std::optional<std::string> HostilePlaces::commands_nowhere() {
  const std::uint64_t at = askew(nowhere(), queue_bytes);
  place(Queue::commands, at);
  enable();
  vm_.frame().write32(CMDQ_PROD::offset, random_.below(1U << commands_bits) + 1);
  const auto cons = CMDQ_CONS::from(vm_.frame().read32(CMDQ_CONS::offset));
  if (active(GERROR::CMDQ_ERR.mask) && cons.get(CMDQ_CONS::ERR) == Cerror::ABT && cons.get(CMDQ_CONS::RD) == 0) {
    return std::nullopt;
  }
  return fmt::format("a command queue at {:#x}, where no memory is: CMDQ_CONS is {:#x}", at, cons.raw());
}

std::optional<std::string> HostilePlaces::commands_at_the_end() {
  const std::uint64_t at = askew(vm_.arena.bus_base() + vm_.arena.size() - queue_bytes, queue_bytes);
  place(Queue::commands, at);
  enable();
  const std::array commands{cmd::tlbi_nsnh_all(), cmd::sync()};
  run(commands);
  const auto cons = vm_.frame().read32(CMDQ_CONS::offset);
  if (!active(GERROR::CMDQ_ERR.mask) && cons == commands.size()) {
    return std::nullopt;
  }
  return fmt::format("a command queue at {:#x}, the last of the memory: CMDQ_CONS is {:#x}", at, cons);
}

// 7.2.2
std::optional<std::string> HostilePlaces::events_nowhere() {
  const std::uint64_t at = askew(nowhere(), events_bytes);
  place(Queue::events, at);
  const auto before = vm_.frame().read32(EVENTQ_PROD::offset);
  put_ste(Ste{}.with(Ste::V, 1).with(Ste::Config, SteConfig::stage2)); // 5.2.2: C_BAD_STE
  enable();
  const auto after = vm_.frame().read32(EVENTQ_PROD::offset);
  if (active(GERROR::EVENTQ_ABT_ERR.mask) && after == before) {
    return std::nullopt;
  }
  return fmt::format("an event queue at {:#x}, where no memory is: GERROR is {:#x}, EVENTQ_PROD {:#x}, before {:#x}",
                     at, vm_.frame().read32(GERROR::offset), after, before);
}

// 7.3.4
std::optional<std::string> HostilePlaces::table_nowhere() {
  const std::uint64_t at = nowhere();
  vm_.frame().write64(STRTAB_BASE::offset, askew(at, Ste::byte_size << streams_bits));
  enable();
  const std::uint64_t fetched = at + Ste::byte_size * stream_;
  if (recorded(EventType::F_STE_FETCH, fetched)) {
    return std::nullopt;
  }
  return fmt::format("a stream table at {:#x}, where no memory is: no F_STE_FETCH of {:#x}", at, fetched);
}

std::optional<std::string> HostilePlaces::second_level_nowhere() {
  auto& frame = vm_.frame();
  const std::uint64_t at = nowhere();
  constexpr unsigned split = 6, streams_log2 = 16;
  put(vm_.arena.bus_base() + second_at + 8 * (stream_ >> split),
      L1Std{}.with(L1Std::Span, split + 1).with(L1Std::L2Ptr, at).w[0]);
  frame.write64(STRTAB_BASE::offset, vm_.arena.bus_base() + second_at);
  frame.write32(STRTAB_BASE_CFG::offset, STRTAB_BASE_CFG{}
                                             .with(STRTAB_BASE_CFG::FMT, StreamTableFormat::two_level)
                                             .with(STRTAB_BASE_CFG::SPLIT, split)
                                             .with(STRTAB_BASE_CFG::LOG2SIZE, streams_log2)
                                             .raw());
  enable();
  const std::uint64_t fetched = at + Ste::byte_size * (stream_ & ((1U << split) - 1));
  if (recorded(EventType::F_STE_FETCH, fetched)) {
    return std::nullopt;
  }
  return fmt::format("a second-level stream table at {:#x}, where no memory is: no F_STE_FETCH of {:#x}", at, fetched);
}

// Commands that are events, and events that become STEs. What comes of it is anything, within its bounds.
std::optional<std::string> HostilePlaces::all_at_once() {
  auto& frame = vm_.frame();
  const std::uint64_t at = vm_.arena.bus_base() + table_at;
  frame.write64(STRTAB_BASE::offset, at);
  place(Queue::commands, askew(at, queue_bytes));
  place(Queue::events, askew(at, events_bytes));
  enable();
  const std::array commands{cmd::cfgi_all(), cmd::cfgi_ste(stream_, true), cmd::tlbi_nsnh_all(), cmd::sync()};
  run(commands);
  for (std::uint32_t turn = 0; turn < 1U << commands_bits; ++turn) {
    frame.write32(CMDQ_PROD::offset, turn);
    frame.write32(GERRORN::offset, frame.read32(GERROR::offset));
    frame.write32(EVENTQ_CONS::offset, frame.read32(EVENTQ_PROD::offset));
  }
  return std::nullopt;
}

void HostilePlaces::hide_cds() {
  static_cast<void>(commands_at_the_end());
  put_ste(Ste{}.with(Ste::V, 1).with(Ste::Config, SteConfig::stage1).with(Ste::S1ContextPtr, nowhere()));
  const std::array commands{cmd::cfgi_ste(stream_, true), cmd::sync()};
  auto& frame = vm_.frame();
  frame.write32(CR0::offset, 0);
  frame.write64(STRTAB_BASE::offset, vm_.arena.bus_base() + table_at);
  frame.write32(STRTAB_BASE_CFG::offset, streams_bits);
  place(Queue::commands, vm_.arena.bus_base() + queue_at);
  enable();
  run(commands);
}

} // namespace sluice::scenario

#include <sluice/scenario/hostile_guest.hpp>

#include <sluice/arch/commands.hpp>
#include <sluice/arch/queues.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/machine/copy.hpp>

#include <array>

namespace sluice::scenario {

using namespace arch;

namespace {

// Where things are in its RAM, when it wants them to be somewhere.
constexpr std::uint64_t table = 0x0, queue = 0x1'0000, events = 0x2'0000, tables = 0x3'0000;
constexpr unsigned table_log2 = 6, queue_log2 = 6, events_log2 = 4;

constexpr std::array registers{CR0::offset,
                               CR1::offset,
                               CR2::offset,
                               GBPA::offset,
                               IRQ_CTRL::offset,
                               GERRORN::offset,
                               STRTAB_BASE::offset,
                               CMDQ_PROD::offset,
                               CMDQ_CONS::offset,
                               STRTAB_BASE_CFG::offset,
                               CMDQ_BASE::offset,
                               EVENTQ_BASE::offset,
                               EVENTQ_PROD::offset,
                               EVENTQ_CONS::offset,
                               EVENTQ_IRQ_CFG0::offset,
                               GERROR_IRQ_CFG0::offset};

} // namespace

HostileGuest::HostileGuest(VirtualMachine& vm, const Engine& engine, model::Smmu& hardware, platform::Time& time,
                           hosted::Random random, bool storms)
    : vm_{vm}, engine_{engine}, time_{time}, random_{random}, places_{vm, engine.stream, random_.fork()}, storms_{
                                                                                                              storms} {
  port_.emplace(hardware);
  begin_again();
}

void HostileGuest::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    turn();
    time_.relax();
  }
  port_.reset();
}

void HostileGuest::turn() {
  if (storms_ && random_.one_in(2)) {
    return make_storm();
  }
  switch (random_.below(16)) {
  case 0:
    return begin_again();
  case 1:
  case 2:
  case 3:
    return write_register();
  case 4:
  case 5:
  case 6:
    return spoil_table();
  case 7:
  case 8:
    return make_dma();
  case 9:
    return misplace();
  default:
    return send_commands();
  }
}

void HostileGuest::put(std::uint64_t address, std::uint64_t value) {
  if (const auto at = vm_.arena.at(address & ~7ULL, 8)) {
    machine::copy_in(*at, &value, sizeof value);
  }
}

// A register that could be meant, for most of what follows would not happen otherwise.
void HostileGuest::begin_again() {
  const std::uint64_t ram = vm_.arena.bus_base();
  auto& frame = vm_.frame();
  frame.write32(CR0::offset, 0);
  frame.write64(CMDQ_BASE::offset, ram + queue + queue_log2);
  frame.write64(EVENTQ_BASE::offset, ram + events + events_log2);
  frame.write64(STRTAB_BASE::offset, ram + table);
  frame.write32(STRTAB_BASE_CFG::offset, table_log2);
  frame.write32(CMDQ_CONS::offset, 0);
  frame.write32(CMDQ_PROD::offset, 0);
  produced_ = 0;
  frame.write32(GERRORN::offset, frame.read32(GERROR::offset));
  frame.write32(CR0::offset, static_cast<std::uint32_t>(CR0::SMMUEN.mask | CR0::EVENTQEN.mask | CR0::CMDQEN.mask));
}

// Any word, or one that is near to something.
std::uint64_t HostileGuest::word() {
  switch (random_.below(4)) {
  case 0:
    return random_.next();
  case 1:
    return random_.next() >> random_.below(64);
  case 2:
    return vm_.arena.bus_base() + random_.below(1 << 20);
  default:
    return 1ULL << random_.below(64);
  }
}

void HostileGuest::write_register() {
  const std::uint32_t offset =
      random_.one_in(4) ? random_.below(frame_size / 4) * 4 : registers[random_.below(registers.size())];
  ++counts_.registers;
  if (random_.one_in(2) && offset % 8 == 0) {
    vm_.frame().write64(offset, word());
  } else {
    vm_.frame().write32(offset, static_cast<std::uint32_t>(word()));
  }
}

Command HostileGuest::command() {
  Command c;
  c.w = {word(), word()};
  if (!random_.one_in(4)) { // an opcode that there is
    constexpr std::array known{0x01, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x30, 0x40, 0x44, 0x46};
    c.w[0] = (c.w[0] & ~0x7ffULL) | static_cast<unsigned>(known[random_.below(known.size())]);
  }
  if (!random_.one_in(4)) {
    c.set(Command::StreamID, engine_.stream);
  }
  return c;
}

void HostileGuest::send_commands() {
  const std::uint64_t at = vm_.arena.bus_base() + queue;
  for (std::uint32_t n = random_.below(8) + 1; n > 0; --n) {
    const Command c = command();
    const std::uint64_t slot = at + command_size * queue_index(produced_, queue_log2);
    put(slot, c.w[0]);
    put(slot + 8, c.w[1]);
    produced_ = queue_advance(produced_, queue_log2);
    ++counts_.commands;
  }
  auto& frame = vm_.frame();
  frame.write32(CMDQ_PROD::offset, produced_);
  frame.write32(GERRORN::offset, frame.read32(GERROR::offset)); // goes on at the command in error, which may stop again
  frame.write32(EVENTQ_CONS::offset, frame.read32(EVENTQ_PROD::offset));
}

// An STE of each kind, right but for a bit or wrong as a whole; and whatever the host's hardware finds behind it.
void HostileGuest::spoil_table() {
  const std::uint64_t ram = vm_.arena.bus_base();
  Ste ste = Ste{}.with(Ste::V, 1).with(Ste::Config, static_cast<SteConfig>(random_.below(8)));
  ste.set(Ste::S1ContextPtr, ram + tables + 64 * random_.below(16));
  if (random_.one_in(2)) {
    const unsigned bit = random_.below(512);
    ste.w[bit / 64] ^= 1ULL << bit % 64;
  }
  for (std::size_t i = 0; i < Ste::word_count; ++i) {
    put(ram + table + 64 * engine_.stream + 8 * i, random_.one_in(16) ? word() : ste.w[i]);
  }
  for (int n = 0; n < 16; ++n) {
    put(ram + tables + 8 * random_.below(512), word());
  }
  ++counts_.stes;
}

// 5.4: a CD that is not valid is an event for each request.
void HostileGuest::make_storm() {
  begin_again();
  const std::uint64_t ram = vm_.arena.bus_base();
  const std::uint64_t cd = ram + tables + 0x4000 + 64 * random_.below(16); // nothing else is there
  const Ste ste = Ste{}.with(Ste::V, 1).with(Ste::Config, SteConfig::stage1).with(Ste::S1ContextPtr, cd);
  for (std::size_t i = 0; i < Ste::word_count; ++i) {
    put(ram + table + 64 * engine_.stream + 8 * i, ste.w[i]);
  }
  const std::array commands{cmd::cfgi_ste(engine_.stream, true), cmd::sync()};
  for (std::size_t i = 0; i < commands.size(); ++i) {
    put(ram + queue + command_size * i, commands.at(i).w[0]);
    put(ram + queue + command_size * i + 8, commands.at(i).w[1]);
  }
  produced_ = commands.size();
  vm_.frame().write32(CMDQ_PROD::offset, produced_);
  constexpr unsigned burst = 24;
  for (unsigned i = 0; i < burst; ++i) {
    std::uint64_t word = 0;
    static_cast<void>(engine_.read(*port_, i * 4096ULL, &word, sizeof word));
  }
  ++counts_.storms;
}

void HostileGuest::misplace() {
  ++counts_.misplaced;
  std::optional<std::string> wrong;
  if (random_.one_in(6)) {
    places_.hide_cds();
    std::uint64_t word = 0;
    if (engine_.read(*port_, random_.below(256) * 4096ULL, &word, sizeof word).complete()) {
      wrong = "an access was served though its CDs are where no memory is";
    }
  } else {
    wrong = places_.try_one();
  }
  counts_.wrong = counts_.wrong.empty() ? wrong.value_or("") : counts_.wrong;
  begin_again();
}

void HostileGuest::make_dma() {
  std::array<std::byte, 256> bytes{};
  const std::uint64_t iova = word();
  const auto report = random_.one_in(2) ? engine_.write(*port_, iova, bytes.data(), bytes.size())
                                        : engine_.read(*port_, iova, bytes.data(), bytes.size());
  ++counts_.dma;
  counts_.dma_aborted += report.complete() ? 0 : 1;
}

} // namespace sluice::scenario

#include <sluice/machine/tlbi_watch.hpp>

#include <sluice/arch/commands.hpp>

#include <algorithm>

namespace sluice::machine {

using arch::Command;
using arch::Opcode;
using platform::SpinGuard;

void TlbiWatch::write32(std::uint32_t offset, std::uint32_t value) {
  view_.on_write32(offset, value);
  if (offset == arch::CMDQ_PROD::offset) {
    const SpinGuard guard{sync_, lock_};
    view_.each_new(value, [this](const base::DmaWord* entry) { see(CommandView::load(entry)); });
  }
  inner_.write32(offset, value);
}

void TlbiWatch::write64(std::uint32_t offset, std::uint64_t value) {
  view_.on_write64(offset, value);
  inner_.write64(offset, value);
}

void TlbiWatch::see(const Command& command) {
  const std::uint64_t number = commands_++;
  const Opcode opcode = command.get(Command::Opcode);
  if (opcode == Opcode::CMD_SYNC) {
    for (Given& g : given_) {
      g.sync_at = std::min(g.sync_at, number);
    }
  } else if (opcode >= Opcode::CMD_TLBI_NH_ALL && opcode <= Opcode::CMD_TLBI_NSNH_ALL) { // 4.4
    if (given_.size() == most) {
      widen();
    }
    given_.push_back({command});
  }
}

// Complete when all of them are.
void TlbiWatch::widen() {
  given_.clear();
  given_.push_back({arch::cmd::tlbi_nsnh_all()});
  given_.push_back({arch::cmd::tlbi_el2_all()});
}

std::vector<Command> TlbiWatch::take_completed(std::uint64_t consumed) {
  std::vector<Command> completed;
  const SpinGuard guard{sync_, lock_};
  std::erase_if(given_, [&](const Given& g) {
    const bool done = g.sync_at < consumed;
    if (done) {
      completed.push_back(g.command);
    }
    return done;
  });
  return completed;
}

} // namespace sluice::machine

#include <sluice/vsmmu/batch.hpp>

#include <sluice/base/check.hpp>
#include <sluice/uapi/errno.hpp>

#include <algorithm>

namespace sluice::vsmmu {

using arch::Cerror;
using arch::Command;
using uapi::Errno;

namespace {

// Of a command that the guest was right to send. A driver that meets CERROR_ABT has the same command fetched again, so
// that nothing is lost where the host is only short of something for a moment.
Cerror cerror_of(int error) {
  switch (static_cast<Errno>(error)) {
  case Errno::no_memory:
  case Errno::busy:
  case Errno::timed_out:
  case Errno::interrupted:
  case Errno::again:
    return Cerror::ABT;
  default:
    return Cerror::ILL;
  }
}

} // namespace

void Batch::add(const Command& command, std::uint32_t position) {
  base::check(!full());
  commands_[count_] = command;
  positions_[count_] = position;
  ++count_;
}

// Linux 7.3 counts commands before a bad one as handled without having issued them. To repeat an invalidation is always
// allowed, so what is said to have been executed is sent once more by itself.
Batch::Executed Batch::execute(const Calls& calls, std::uint32_t viommu, std::span<const Command> commands,
                               std::uint32_t& count) const {
  Executed executed{commands.size(), 0};
  for (std::size_t n = commands.size(); n > 0;) {
    std::uint32_t done = 0;
    ++count;
    const int error = calls.invalidate(viommu, commands.first(n), done);
    if (error == 0) {
      break;
    }
    executed = {std::min<std::size_t>(done, n - 1), error};
    n = executed.done;
  }
  return executed;
}

Batch::Flushed Batch::flush(const Calls& calls, std::uint32_t viommu) {
  Flushed flushed;
  for (std::size_t at = 0; at < count_;) {
    const std::span<const Command> rest{commands_.data() + at, count_ - at};
    const Executed executed = execute(calls, viommu, rest, flushed.calls);
    if (executed.error == 0) {
      break;
    }
    at += executed.done;
    const bool atc = commands_[at].get(Command::Opcode) == arch::Opcode::CMD_ATC_INV;
    if (!atc || executed.error != static_cast<int>(Errno::timed_out)) {
      flushed.stop = CommandStop{positions_[at], cerror_of(executed.error)};
      break;
    }
    flushed.atc_timed_out = true; // 7.1: other commands still take effect
    ++at;
  }
  count_ = 0;
  return flushed;
}

} // namespace sluice::vsmmu

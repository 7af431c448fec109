#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/base/atomic.hpp>

#include <array>
#include <cstdint>

namespace sluice::model {

// Invalidations on their way to the ports. Writers append; each port reads at its own pace and drops all that it
// has cached when the writer has lapped it. Writers take turns by a lock of their own. A position counts entries since
// the beginning; head() is the position after the last entry, due() the one that a CMD_SYNC or a handshake has asked
// for (4.8: until then an invalidation need not have had an effect).
class InvalidationLog {
public:
  static constexpr std::uint64_t size = 1024;

  // An entry is a CFGI or TLBI command, or, with all words 0 (a reserved opcode), the word that registers have changed.
  static constexpr arch::Command registers_changed{};

  const base::Atomic<std::uint64_t>& head() const { return head_; }
  const base::Atomic<std::uint64_t>& due() const { return due_; }

  // 3.17: an entry that came by broadcast is the TLBI command of the same scope with this bit, which no TLBI has.
  static constexpr std::uint64_t by_broadcast = arch::Command::SSec.mask;

  void append(const arch::Command& command) {
    const std::uint64_t at = head_.load(base::Order::relaxed);
    Slot& slot = slots_[at % size];
    // Release: whoever reads a new word here also sees a head that says the old entry is gone.
    slot.w[0].store(command.w[0], base::Order::release);
    slot.w[1].store(command.w[1], base::Order::release);
    head_.store(at + 1, base::Order::release);
  }

  // All that has been appended.
  void require() { due_.store(head_.load(base::Order::relaxed), base::Order::release); }

  // False when the entry at `position` may have been overwritten meanwhile.
  bool read(std::uint64_t position, arch::Command& command) const {
    const Slot& slot = slots_[position % size];
    command.w[0] = slot.w[0].load(base::Order::acquire);
    command.w[1] = slot.w[1].load(base::Order::acquire);
    return head_.load(base::Order::acquire) - position < size;
  }

private:
  struct Slot {
    base::Atomic<std::uint64_t> w[2];
  };

  alignas(64) base::Atomic<std::uint64_t> head_{0};
  alignas(64) base::Atomic<std::uint64_t> due_{0};
  alignas(64) std::array<Slot, size> slots_{};
};

} // namespace sluice::model

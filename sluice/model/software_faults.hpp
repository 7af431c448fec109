#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/frame/registers.hpp>
#include <sluice/model/observer.hpp>

#include <array>
#include <cstdint>
#include <vector>

// What software does that the manual tells it not to do, or after which it cannot know what the SMMU does. The SMMU
// goes on as the architecture has it; here it is noted for whoever debugs a driver.
namespace sluice::model {

enum class SoftwareFault : std::uint8_t {
  queue_base_unaligned,
  stream_table_unaligned,
  guarded_register,
  update_pending,
  commands_overrun,
  consumed_too_much,
  status_bits_in_index,
  inactive_error_acknowledged,
  enabled_uninvalidated,
  live_entry_illegal,
  ats_off_uninvalidated,
};

struct SoftwareFaultInfo {
  SoftwareFault fault{};
  const char* section{};
  const char* sentence{};
};

inline constexpr std::array<SoftwareFaultInfo, 11> software_faults{{
    {SoftwareFault::queue_base_unaligned, "3.5.1", "a queue is switched on whose base is not aligned to its size"},
    {SoftwareFault::stream_table_unaligned, "6.3.24",
     "SMMUEN is set with a stream table that is not aligned to its size"},
    {SoftwareFault::guarded_register, "6.2", "a register is written while what guards it is on; the write is ignored"},
    {SoftwareFault::update_pending, "6.3.9", "a field is changed again before its last change was acknowledged"},
    {SoftwareFault::commands_overrun, "3.21.2", "CMDQ_PROD is more than a queue ahead of CMDQ_CONS"},
    {SoftwareFault::consumed_too_much, "3.21.2", "the CONS of an output queue is not between its old value and PROD"},
    {SoftwareFault::status_bits_in_index, "6.3.28",
     "an index is written with bits of CONS.ERR or of reserved fields in it"},
    {SoftwareFault::inactive_error_acknowledged, "6.3.20", "GERRORN acknowledges an error that is not active"},
    {SoftwareFault::enabled_uninvalidated, "3.11",
     "SMMUEN is set before CMD_CFGI_ALL and the TLBIs of all worlds have completed"},
    {SoftwareFault::live_entry_illegal, "3.21.3",
     "a stream was served, then refused for an illegal STE or CD, and then served again"},
    {SoftwareFault::ats_off_uninvalidated, "3.9.2",
     "EATS is 0 for a stream whose ATC has not been invalidated since translations were granted"},
}};

struct SoftwareFinding {
  SoftwareFaultInfo what{};
  std::uint64_t count{};
  std::uint64_t latest{}; // a register's offset in the frame, or a StreamID
};

// Counts by kind. Any thread; nothing here waits.
class SoftwareFaults {
public:
  explicit SoftwareFaults(Observer* observer) : observer_{observer} {}

  void note(SoftwareFault fault, std::uint64_t where) {
    Count& c = counts_[static_cast<std::size_t>(fault)];
    c.latest.store(where, base::Order::relaxed);
    c.count.fetch_add(1, base::Order::relaxed);
    if (observer_ != nullptr) {
      observer_->met({Condition::Kind::software_fault, static_cast<std::uint16_t>(fault)});
    }
  }
  // Those that there have been, in the table's order.
  std::vector<SoftwareFinding> found() const;

  // With the lock of register writes: what a write says of its author.
  void judge(const frame::Registers& regs, const frame::Registers::Written& written, const arch::IdRegisters& id);
  // A command that has been consumed, a CMD_SYNC when it has completed.
  void consumed(const arch::Command& command);
  // 3.9.2: a translation was granted; a request found EATS to be 0. Of StreamIDs that share a slot the latest counts.
  void granted(std::uint32_t sid);
  void ats_is_off(std::uint32_t sid);

private:
  static constexpr std::size_t slots = 256;
  static std::size_t slot(std::uint32_t sid) { return (sid ^ sid >> 8) % slots; }
  static std::uint64_t mark_of(std::uint32_t sid) { return std::uint64_t{sid} + 1; }

  struct Count {
    base::Atomic<std::uint64_t> count{0};
    base::Atomic<std::uint64_t> latest{0};
  };

  void judge_enables(const frame::Registers& regs, std::uint64_t before, std::uint64_t now,
                     const arch::IdRegisters& id);
  void judge_index(const frame::Registers& regs, std::uint32_t offset, std::uint64_t before, std::uint64_t value,
                   const arch::IdRegisters& id);

  Observer* const observer_;
  std::array<Count, software_faults.size()> counts_{};
  std::uint32_t invalidating_{};               // of whoever consumes commands: worlds and configuration, by bit
  base::Atomic<std::uint32_t> invalidated_{0}; // and a CMD_SYNC has completed since
  std::array<base::Atomic<std::uint64_t>, slots> granted_{};
};

} // namespace sluice::model

#pragma once

#include <sluice/arch/commands.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/driver/command_failures.hpp>
#include <sluice/driver/dma.hpp>
#include <sluice/driver/global_errors.hpp>
#include <sluice/driver/health.hpp>
#include <sluice/driver/registers.hpp>
#include <sluice/platform/platform.hpp>

#include <span>

namespace sluice::driver {

enum class Wait : bool { no, yes };

// The command queue for any number of submitters at once, none of which holds a lock.
//
// A position counts commands from the beginning; its low bits are the index in the queue and the wrap bit (3.5.1). A
// submitter reserves positions by one compare-and-swap and writes his commands there. Whoever finds nobody in charge
// becomes the owner of what is reserved from his start on, until he ends the reservation by a second atomic operation;
// the others leave a mark at their start, which says where they end. The owner follows the marks and writes CMDQ_PROD.
//
// A mark is the position of its end, so that one of an earlier round of the queue is not greater than the start and
// nothing has to be cleared. Commands of which none may be executed after one that is illegal carry a mark each, by
// which whoever repairs the queue finds the end of what is to be left out. Whether a CMD_SYNC is done is told from
// CMDQ_CONS without noting progress in shared memory: see passed().
//
// Not to be called from an interrupt that may have interrupted a submitter on the same processor.
class CommandQueue {
public:
  CommandQueue(const platform::Platform& platform, Registers& registers, GlobalErrors& errors, Health& health,
               std::uint64_t timeout_us)
      : platform_{platform}, registers_{registers}, errors_{errors}, health_{health}, timeout_us_{timeout_us} {}
  CommandQueue(const CommandQueue&) = delete;
  CommandQueue& operator=(const CommandQueue&) = delete;
  ~CommandQueue();

  // Errors: no_memory.
  base::Status make(unsigned log2);
  // Writes CMDQ_BASE, CMDQ_PROD and CMDQ_CONS; the queue is disabled then.
  void program();
  unsigned log2() const { return log2_; }

  // Puts the commands into the queue, in order and next to each other as far as it is large enough. Stores that came
  // before are visible to the SMMU when it executes them. With Wait::yes a CMD_SYNC follows, and all is done when it
  // returns; without, failures are only logged.
  // Errors: illegal_command, command_abort, atc_timed_out (one of these commands), timed_out, smmu_failed.
  base::Status submit(std::span<const arch::Command> commands, Wait wait = Wait::yes);
  base::Status submit(const arch::Command& command, Wait wait = Wait::yes) { return submit({&command, 1}, wait); }
  // As submit with Wait::yes, but what comes after an illegal command is not executed. `done`: how many have been; with
  // another error, how many are known to have been.
  base::Status submit_until_illegal(std::span<const arch::Command> commands, std::size_t& done);

  // Looks for GERROR.CMDQ_ERR and lets the queue go on. 7.1. Any thread.
  void recover();

  std::uint64_t commands() const { return published_.load(base::Order::relaxed); }
  std::uint64_t syncs() const { return syncs_.load(base::Order::relaxed) + inner_syncs_.load(base::Order::relaxed); }
  std::uint64_t doorbells() const { return doorbells_.load(base::Order::relaxed); }
  std::uint64_t failures() const { return failures_.count(); }
  std::uint64_t atc_invalidations() const { return atc_invalidations_.load(base::Order::relaxed); }
  // Who submits them counts them.
  void count_atc_invalidations(std::uint64_t n) { atc_invalidations_.fetch_add(n, base::Order::relaxed); }
  // And CMD_SYNCs among them.
  void count_inner_syncs(std::uint64_t n) { inner_syncs_.fetch_add(n, base::Order::relaxed); }

private:
  using Order = base::Order;

  static constexpr std::uint64_t flag = 1ULL << 63;  // reserved_: somebody is in charge; a mark: ends with a CMD_SYNC
  static constexpr std::uint64_t chain = 1ULL << 62; // a mark: nothing from here to its end follows an illegal command
  static constexpr std::uint64_t flags = flag | chain;
  static constexpr unsigned abort_limit = 3; // fetches of one command that may abort

  enum class Chained : bool { no, yes };

  struct Slots {
    std::uint64_t start{};
    std::uint64_t end{};
    bool owner{};
  };
  struct Outcome {
    base::Status status{};
    std::uint64_t done{}; // commands before an illegal one
  };

  Outcome submit_part(std::span<const arch::Command> commands, Wait wait, Chained chained = Chained::no);
  base::Result<Slots> reserve(std::uint32_t count);
  void write(std::uint64_t position, std::span<const arch::Command> commands, Wait wait);
  void mark_chain(const Slots& slots);
  base::Status publish(const Slots& slots, Wait wait, Chained chained);
  base::Status await_handover(std::uint64_t start);
  base::Status await_mark(std::uint64_t position);
  Outcome await_sync(const Slots& slots, std::uint64_t failures_before);
  base::Status await_room(std::uint64_t end);

  bool passed(std::uint64_t position);
  bool notice_progress();
  std::uint64_t position_of(std::uint32_t cons, std::uint64_t not_before) const {
    return not_before + ((cons - not_before) & index_mask_);
  }
  void store(std::uint64_t position, const arch::Command& command) {
    base::DmaWord* slot = entries_ + 2 * (position & slot_mask_);
    slot[0].store(command.w[0], Order::relaxed);
    slot[1].store(command.w[1], Order::relaxed);
  }
  base::Atomic<std::uint64_t>& mark(std::uint64_t position) { return marks_[position & slot_mask_]; }
  void clean(std::uint64_t position, std::uint64_t count);
  void recover_illegal(std::uint64_t position);
  bool recover_abort(std::uint64_t position);

  // Read by all and seldom written.
  platform::Platform platform_;
  Registers& registers_;
  GlobalErrors& errors_;
  Health& health_;
  std::uint64_t timeout_us_;
  base::DmaWord* entries_{};
  base::Atomic<std::uint64_t>* marks_{};
  std::uint64_t size_{};
  std::uint64_t slot_mask_{};  // index
  std::uint64_t index_mask_{}; // index and wrap bit
  unsigned log2_{};
  bool coherent_{true};
  Dma memory_;
  CommandFailures failures_;
  std::uint64_t aborted_at_{~0ULL};
  unsigned aborts_{};

  alignas(64) base::Atomic<std::uint64_t> reserved_{0};  // positions below are taken
  alignas(64) base::Atomic<std::uint64_t> published_{0}; // CMDQ_PROD covers positions below; its writer is in charge
  base::Atomic<std::uint64_t> syncs_{0};                 // counted by who is in charge
  base::Atomic<std::uint64_t> doorbells_{0};
  alignas(64) base::Atomic<std::uint64_t> consumed_{0}; // positions below are consumed; seldom up to date
  base::Atomic<std::uint64_t> atc_invalidations_{0};
  base::Atomic<std::uint64_t> inner_syncs_{0};
};

} // namespace sluice::driver

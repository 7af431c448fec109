#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::hosted {

struct ExplorerConfig {
  std::uint32_t switch_one_in{4}; // operations that end a turn
  std::uint32_t leave_one_in{4};  // operations at which something leaves a buffer
  std::size_t buffer_max{64};     // entries; beyond that the oldest leaves
  std::size_t history{40};        // operations to remember
};

} // namespace sluice::hosted

#if defined(SLUICE_EXPLORE)

#include <sluice/base/explore.hpp>
#include <sluice/hosted/history.hpp>
#include <sluice/hosted/random.hpp>
#include <sluice/hosted/seeded.hpp>
#include <sluice/hosted/store_buffer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace sluice::hosted {

// Gives each actor of a seeded schedule a store buffer and makes each operation on a base::Atomic a possible turn.
//
// What it finds: stores, and writes to devices, that lack a barrier on the side that writes. Loads are never early or
// late, so a missing acquire or dma_observe() is not found.
//
// While a register is accessed the thread is the device: what it writes is written at once, and of the memory that both
// share (dma()) it reads what has arrived there, nothing of the thread's buffer. Plain accesses, as copies of data are,
// always go to memory.
class Explorer final : public base::explore::Scheduler, public SeededSchedule::Companion {
public:
  using Config = ExplorerConfig;

  explicit Explorer(SeededSchedule& schedule, std::uint64_t seed) : Explorer{schedule, seed, Config{}} {}
  Explorer(SeededSchedule& schedule, std::uint64_t seed, Config config);
  Explorer(const Explorer&) = delete;
  Explorer& operator=(const Explorer&) = delete;
  ~Explorer();

  // The one that this thread's operations go through, if any.
  static Explorer* current();

  std::uint64_t load(const void* at, unsigned size, std::memory_order order) override;
  void store(void* at, unsigned size, std::uint64_t value, std::memory_order order) override;
  void before_update(void* at, unsigned size, std::memory_order order) override;
  void fence(std::memory_order order) override;
  // Stores that are still on their way get lost.
  void forget(const void* at, std::size_t size) override;

  void store128(void* at, std::uint64_t low, std::uint64_t high);
  // Memory that devices read and write.
  void dma(const void* at, std::size_t size) { dma_.push_back({at, size}); }
  // A write to a device that takes place some time later, in this thread.
  void mmio_store(std::function<void()> write);
  // After this thread's writes to devices, but not after its stores.
  std::uint64_t mmio_load(const std::function<std::uint64_t()>& read);
  // What hardware does in this thread, as an endpoint that is called by its driver.
  void as_device(const std::function<void()>& access);
  // All of this thread's stores and writes to devices take place now.
  void settle();

  History& history() { return history_; }

  void actor_begins(ActorId actor) override;
  void actor_ends(ActorId actor) override;
  void before_start() override { settle(); }
  void before_relax() override;
  void before_block() override;
  bool nobody_ready() override;

private:
  struct Processor;

  Processor& self() const;
  void step();
  void maybe_turn();
  void let_some_leave();
  bool let_one_leave();
  void let_device_writes_leave(Processor& processor);
  void leave(Processor& processor, StoreBuffer::Serial serial);
  void leave_with_all_before(Processor& processor, StoreBuffer::Serial serial);
  void push(const StoreBuffer::Entry& entry, std::memory_order order);
  bool is_dma(const void* at) const;
  void catch_up(Processor& processor, const void* at, std::size_t size);

  SeededSchedule& schedule_;
  const Config config_;
  Random random_;
  History history_;
  std::map<ActorId, std::unique_ptr<Processor>> processors_;
  struct Range {
    const void* at;
    std::size_t size;
  };
  std::vector<Range> dma_;
};

} // namespace sluice::hosted

#endif

#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/explorer.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/hosted/log.hpp>
#include <sluice/hosted/memory.hpp>
#include <sluice/hosted/seeded.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>
#include <sluice/platform/platform.hpp>

#include <memory>
#include <optional>

namespace sluice::hosted {

struct PortConfig {
  ArenaConfig arena{};
  platform::MemoryFacts facts{};
  platform::IrqLine irq_lines{64};
  std::optional<SeededSchedule::Config> seeded{}; // absent: free threads
  bool store_buffers{false};                      // of an explorer; only where they are seeded and in the explore build
  ExplorerConfig explorer{};
};

// A whole platform in a process.
class Port {
public:
  // Throws SetupError.
  explicit Port(const PortConfig& config = {});
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port();

  platform::Platform platform() { return {memory, sync, time, irq, log}; }
  // Nothing for free threads.
  SeededSchedule* seeded() { return seeded_; }

private:
  struct Explored;

public:
  const std::unique_ptr<Schedule> schedule;

private:
  SeededSchedule* const seeded_;
  std::unique_ptr<Explored> explored_;

public:
  Arena arena;
  Memory memory;
  Time time;
  Sync sync;        // of software
  Sync device_sync; // of the hardware, which may run in the same thread
  Log log;
  Irq irq;
};

} // namespace sluice::hosted

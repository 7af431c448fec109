#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/hosted/log.hpp>
#include <sluice/hosted/memory.hpp>
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
};

// A whole platform in a process.
struct Port {
  explicit Port(const PortConfig& config = {})
      : schedule{std::make_unique<FreeSchedule>()}, arena{config.arena}, memory{arena, config.facts}, time{*schedule},
        sync{*schedule}, device_sync{*schedule}, irq{*schedule, config.irq_lines} {}

  platform::Platform platform() { return {memory, sync, time, irq, log}; }

  std::unique_ptr<Schedule> schedule;
  Arena arena;
  Memory memory;
  Time time;
  Sync sync;        // of software
  Sync device_sync; // of the hardware
  Log log;
  Irq irq;
};

} // namespace sluice::hosted

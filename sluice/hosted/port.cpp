#include <sluice/hosted/explorer.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/port.hpp>
#include <sluice/hosted/scratch.hpp>

namespace sluice::hosted {

struct Port::Explored {
#if defined(SLUICE_EXPLORE)
  Explorer explorer;
#endif
};

namespace {

std::unique_ptr<Schedule> schedule_for(const PortConfig& config) {
  if (config.seeded) {
    return std::make_unique<SeededSchedule>(*config.seeded);
  }
  return std::make_unique<FreeSchedule>();
}

} // namespace

Port::Port(const PortConfig& config)
    : schedule{schedule_for(config)}, seeded_{dynamic_cast<SeededSchedule*>(schedule.get())}, arena{config.arena},
      memory{arena, config.facts}, time{*schedule}, sync{*schedule}, device_sync{*schedule}, irq{*schedule,
                                                                                                 config.irq_lines} {
  if (config.store_buffers) {
#if defined(SLUICE_EXPLORE)
    if (seeded_ != nullptr) {
      explored_.reset(new Explored{Explorer{*seeded_, ~config.seeded->seed, config.explorer}});
      explored_->explorer.dma(*arena.at(arena.bus_base(), 0), arena.size());
      return;
    }
#endif
    throw SetupError{"store buffers need a seed and a build with SLUICE_EXPLORE"};
  }
}

Port::~Port() = default;

} // namespace sluice::hosted

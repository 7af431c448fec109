#include <sluice/machine/engine_worker.hpp>

#include <algorithm>

namespace sluice::machine {

EngineWorker::EngineWorker(pcie::CopyDevice& device, model::Smmu& smmu, hosted::Port& port, const std::string& name)
    : device_{device}, host_port_{port}, port_{smmu}, work_{*port.schedule} {
  device_.set_worker(this);
  actor_ = port.schedule->start(name, [this](const std::stop_token& stop) { run(stop); });
}

EngineWorker::~EngineWorker() {
  host_port_.schedule->finish(actor_);
  device_.set_worker(nullptr);
}

void EngineWorker::run(const std::stop_token& stop) {
  auto pause = soonest_look;
  while (device_.unobserved() ? work_.wait_for(stop, pause) : work_.wait(stop)) {
    pause = work(stop) ? soonest_look : std::min(2 * pause, latest_look);
  }
}

bool EngineWorker::work(const std::stop_token& stop) {
  const std::uint64_t before = device_.counters().jobs;
  while (!stop.stop_requested() && device_.run(port_)) {
  }
  return device_.counters().jobs != before;
}

} // namespace sluice::machine

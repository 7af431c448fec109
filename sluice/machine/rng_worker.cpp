#include <sluice/machine/rng_worker.hpp>

#include <sluice/hosted/mmio_order.hpp>

namespace sluice::machine {

RngWorker::RngWorker(pcie::VirtioRng& rng, model::Smmu& smmu, hosted::Port& port, const std::string& name)
    : rng_{rng}, host_port_{port}, port_{smmu}, work_{*port.schedule} {
  rng_.set_worker(this);
  actor_ = port.schedule->start(name, [this](const std::stop_token& stop) {
    while (work_.wait(stop)) {
      while (!stop.stop_requested() && rng_.run(*this)) {
      }
    }
  });
}

RngWorker::~RngWorker() {
  host_port_.schedule->finish(actor_);
  rng_.set_worker(nullptr);
}

model::Transfer RngWorker::transfer(const model::Request& request, void* data, std::uint64_t size) {
  model::Transfer result;
  const platform::MutexGuard guard{host_port_.device_sync, turn_};
  hosted::device_access([&] { result = port_.transfer(request, data, size); });
  return result;
}

} // namespace sluice::machine

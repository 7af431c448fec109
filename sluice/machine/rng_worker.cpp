#include <sluice/machine/rng_worker.hpp>

namespace sluice::machine {

using base::Order;
using model::Stages;

RngWorker::RngWorker(pcie::VirtioRng& rng, model::Smmu& smmu, hosted::Port& port, const std::string& name,
                     MapsAlone maps_alone, AfterRequest after_request)
    : rng_{rng}, host_port_{port}, maps_alone_{std::move(maps_alone)},
      after_request_{std::move(after_request)}, port_{smmu, port}, work_{*port.schedule} {
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
  const model::Transfer result = port_.transfer(request, data, size);
  if (result.outcome.served() && port_.latest_stages() == Stages::both) {
    look_up(request, size);
  }
  after_request_();
  return result;
}

// Not with the port's turn held: whoever knows the IOAS may be waiting for an audit.
void RngWorker::look_up(const model::Request& request, std::uint64_t size) {
  constexpr std::uint64_t page = 4096;
  bool known = false;
  bool alone = false;
  for (std::uint64_t at = request.address / page * page; at < request.address + size; at += page) {
    const auto answer = maps_alone_(at);
    known = known || answer;
    alone = alone || answer.value_or(false);
  }
  looked_up_.fetch_add(known ? 1 : 0, Order::relaxed);
  mapped_alone_.fetch_add(alone ? 1 : 0, Order::relaxed);
}

void RngWorker::fill(FunctionAccount& account) const {
  account.nested = port_.moved(Stages::both);
  account.stage1 = port_.moved(Stages::first);
  account.stage2 = port_.moved(Stages::second);
  account.bypassed = port_.moved(Stages::none);
  account.nested_looked_up = looked_up_.load(Order::relaxed);
  account.nested_in_ioas = mapped_alone_.load(Order::relaxed);
}

} // namespace sluice::machine

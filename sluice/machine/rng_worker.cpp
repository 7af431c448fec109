#include <sluice/machine/rng_worker.hpp>

#include <sluice/hosted/mmio_order.hpp>

namespace sluice::machine {

using base::Order;
using model::Stages;
using platform::MutexGuard;

RngWorker::RngWorker(pcie::VirtioRng& rng, model::Smmu& smmu, hosted::Port& port, const std::string& name,
                     MapsAlone maps_alone)
    : rng_{rng}, host_port_{port}, maps_alone_{std::move(maps_alone)}, port_{smmu}, work_{*port.schedule} {
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
  std::optional<Stages> stages;
  {
    const MutexGuard guard{host_port_.device_sync, turn_};
    hosted::device_access([&] { result = port_.transfer(request, data, size); });
    stages = port_.stages_of(request);
  }
  if (result.outcome.served() && stages) {
    count(request, size, *stages);
  }
  return result;
}

// Not with turn_ held: whoever knows the IOAS may be waiting for an audit.
void RngWorker::count(const model::Request& request, std::uint64_t size, Stages stages) {
  Counted& counted = moved_[static_cast<std::size_t>(stages)];
  counted.requests.fetch_add(1, Order::relaxed);
  counted.bytes.fetch_add(size, Order::relaxed);
  if (stages != Stages::both) {
    return;
  }
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

model::Audit RngWorker::audit(std::span<const arch::Command> scope) {
  const MutexGuard guard{host_port_.device_sync, turn_};
  return port_.audit(scope);
}

void RngWorker::fill(FunctionAccount& account) const {
  const auto moved = [&](Stages stages) { return moved_[static_cast<std::size_t>(stages)].value(); };
  account.nested = moved(Stages::both);
  account.stage1 = moved(Stages::first);
  account.stage2 = moved(Stages::second);
  account.bypassed = moved(Stages::none);
  account.nested_looked_up = looked_up_.load(Order::relaxed);
  account.nested_in_ioas = mapped_alone_.load(Order::relaxed);
}

} // namespace sluice::machine

#pragma once

#include <sluice/hosted/port.hpp>
#include <sluice/machine/host.hpp>
#include <sluice/model/port.hpp>
#include <sluice/pcie/dma.hpp>

#include <array>
#include <optional>
#include <span>

namespace sluice::machine {

// A port for the requests of one function, which counts those that were served by the stages that they went through.
class CountedPort final : public pcie::Master {
public:
  CountedPort(model::Smmu& smmu, hosted::Port& host) : host_{host}, port_{smmu} {}

  model::Transfer transfer(const model::Request& request, void* data, std::uint64_t size) override;
  // For a function that makes its requests itself: nothing is counted.
  template <class F>
  void use(F f) {
    const platform::MutexGuard guard{host_.device_sync, turn_};
    f(port_);
  }
  // The stages of the latest request that transfer() was given; by the thread that gave it.
  std::optional<model::Stages> latest_stages() const { return latest_; }

  Moved moved(model::Stages stages) const { return moved_[static_cast<std::size_t>(stages)].value(); }
  model::PortCounters counters();
  // Of what the port has cached. Any thread; waits for the request that is under way.
  model::Audit audit(std::span<const arch::Command> scope);

private:
  struct Counted {
    base::Atomic<std::uint64_t> requests{0};
    base::Atomic<std::uint64_t> bytes{0};

    Moved value() const { return {requests.load(base::Order::relaxed), bytes.load(base::Order::relaxed)}; }
  };

  hosted::Port& host_;
  platform::Mutex turn_; // of port_
  model::Port port_;
  std::optional<model::Stages> latest_{};
  std::array<Counted, 4> moved_{}; // by model::Stages
};

} // namespace sluice::machine

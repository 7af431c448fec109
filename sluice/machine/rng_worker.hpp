#pragma once

#include <sluice/hosted/port.hpp>
#include <sluice/machine/host.hpp>
#include <sluice/model/port.hpp>
#include <sluice/pcie/virtio_rng.hpp>

#include <array>
#include <functional>
#include <span>
#include <string>

namespace sluice::machine {

// The thread that makes an entropy source's requests as soon as it is told that there is work, and counts them by the
// stages that they went through.
class RngWorker final : public pcie::Worker, private pcie::Master {
public:
  // Whether the second stage alone maps an address of the function; no value where nobody knows.
  using MapsAlone = std::function<std::optional<bool>(std::uint64_t iova)>;

  RngWorker(pcie::VirtioRng& rng, model::Smmu& smmu, hosted::Port& port, const std::string& name, MapsAlone maps_alone);
  RngWorker(const RngWorker&) = delete;
  RngWorker& operator=(const RngWorker&) = delete;
  // The request that is under way is the last.
  ~RngWorker();

  void on_work() override { work_.set(); }

  // Of what the function's port has cached. Any thread; waits for the request that is under way.
  model::Audit audit(std::span<const arch::Command> scope);
  void fill(FunctionAccount& account) const;

private:
  using Count = base::Atomic<std::uint64_t>;
  struct Counted {
    Count requests{0};
    Count bytes{0};

    Moved value() const { return {requests.load(base::Order::relaxed), bytes.load(base::Order::relaxed)}; }
  };

  model::Transfer transfer(const model::Request& request, void* data, std::uint64_t size) override;
  void count(const model::Request& request, std::uint64_t size, model::Stages stages);

  pcie::VirtioRng& rng_;
  hosted::Port& host_port_;
  MapsAlone maps_alone_;
  platform::Mutex turn_; // of port_
  model::Port port_;
  std::array<Counted, 4> moved_{}; // by model::Stages
  Count looked_up_{0};
  Count mapped_alone_{0};
  hosted::Signal work_;
  hosted::ActorId actor_{};
};

} // namespace sluice::machine

#pragma once

#include <sluice/hosted/port.hpp>
#include <sluice/model/port.hpp>
#include <sluice/pcie/virtio_rng.hpp>

#include <string>

namespace sluice::machine {

// The thread that makes an entropy source's requests, as soon as it is told that there is work.
class RngWorker final : public pcie::Worker, private pcie::Master {
public:
  RngWorker(pcie::VirtioRng& rng, model::Smmu& smmu, hosted::Port& port, const std::string& name);
  RngWorker(const RngWorker&) = delete;
  RngWorker& operator=(const RngWorker&) = delete;
  // The request that is under way is the last.
  ~RngWorker();

  void on_work() override { work_.set(); }

private:
  model::Transfer transfer(const model::Request& request, void* data, std::uint64_t size) override;

  pcie::VirtioRng& rng_;
  hosted::Port& host_port_;
  platform::Mutex turn_; // of port_
  model::Port port_;
  hosted::Signal work_;
  hosted::ActorId actor_{};
};

} // namespace sluice::machine

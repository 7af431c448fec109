#pragma once

#include <sluice/machine/counted_port.hpp>
#include <sluice/pcie/virtio_rng.hpp>

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

  // After each request.
  using AfterRequest = std::function<void()>;

  RngWorker(pcie::VirtioRng& rng, model::Smmu& smmu, hosted::Port& port, const std::string& name, MapsAlone maps_alone,
            AfterRequest after_request);
  RngWorker(const RngWorker&) = delete;
  RngWorker& operator=(const RngWorker&) = delete;
  // The request that is under way is the last.
  ~RngWorker();

  void on_work() override { work_.set(); }

  // CountedPort
  model::Audit audit(std::span<const arch::Command> scope) { return port_.audit(scope); }
  void fill(FunctionAccount& account) const;

private:
  model::Transfer transfer(const model::Request& request, void* data, std::uint64_t size) override;
  void look_up(const model::Request& request, std::uint64_t size);

  pcie::VirtioRng& rng_;
  hosted::Port& host_port_;
  MapsAlone maps_alone_;
  AfterRequest after_request_;
  CountedPort port_;
  base::Atomic<std::uint64_t> looked_up_{0};
  base::Atomic<std::uint64_t> mapped_alone_{0};
  hosted::Signal work_;
  hosted::ActorId actor_{};
};

} // namespace sluice::machine

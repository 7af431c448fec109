#pragma once

#include <sluice/hosted/port.hpp>
#include <sluice/model/smmu.hpp>
#include <sluice/pcie/copy_device.hpp>

#include <chrono>
#include <string>

namespace sluice::machine {

// The thread that does a copy engine's jobs: as soon as it is told that there are some, and while software has the
// engine's memory mapped it looks by itself.
class EngineWorker final : public pcie::Worker {
public:
  static constexpr std::chrono::nanoseconds soonest_look = std::chrono::microseconds{20};
  static constexpr std::chrono::nanoseconds latest_look = std::chrono::milliseconds{1}; // where there was nothing

  EngineWorker(pcie::CopyDevice& device, model::Smmu& smmu, hosted::Port& port, const std::string& name);
  EngineWorker(const EngineWorker&) = delete;
  EngineWorker& operator=(const EngineWorker&) = delete;
  // The job that is under way is the last.
  ~EngineWorker();

  void on_work() override { work_.set(); }

private:
  void run(const std::stop_token& stop);
  // Whether something was done.
  bool work(const std::stop_token& stop);

  pcie::CopyDevice& device_;
  hosted::Port& host_port_;
  model::Port port_;
  hosted::Signal work_;
  hosted::ActorId actor_{};
};

} // namespace sluice::machine

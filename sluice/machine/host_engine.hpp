#pragma once

#include <sluice/hosted/mapping.hpp>
#include <sluice/machine/engine_worker.hpp>
#include <sluice/machine/host_smmu.hpp>
#include <sluice/machine/pci.hpp>
#include <sluice/pcie/copy_device.hpp>
#include <sluice/vfio/cdev.hpp>

#include <memory>
#include <optional>

namespace sluice::machine {

// A copy engine behind one of the host's SMMUs, and its character device.
class HostEngine {
public:
  // Throws DriverRefused, hosted::SetupError.
  HostEngine(const EngineConfig& config, HostSmmu& smmu, const vfio::Host& host, hosted::Port& port,
             DeviceRanges& ranges);
  HostEngine(const HostEngine&) = delete;
  HostEngine& operator=(const HostEngine&) = delete;
  ~HostEngine();

  const EngineConfig& config() const { return config_; }
  pcie::CopyEngine& engine() { return *engine_; }
  vfio::Cdev& cdev() { return *cdev_; }
  pcie::CopyCounters jobs() const { return ring_ ? ring_->device->counters() : pcie::CopyCounters{}; }

private:
  // Of an engine that is a device.
  struct Ring {
    explicit Ring(DeviceRanges& among);
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring();

    DeviceRanges& ranges;
    hosted::Mapping memory;
    pcie::BarMemory bar;
    pcie::CopyDevice* device{};
  };
  std::unique_ptr<pcie::CopyEngine> make(hosted::Port& port);

  EngineConfig config_;
  HostSmmu& smmu_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<pcie::CopyEngine> engine_;
  PciFunction pci_;
  iommu::Device* device_{};
  std::optional<EngineWorker> worker_;
  std::optional<vfio::Cdev> cdev_;
};

} // namespace sluice::machine

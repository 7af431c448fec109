#pragma once

#include <sluice/machine/host_smmu.hpp>
#include <sluice/machine/pci.hpp>
#include <sluice/pcie/copy_engine.hpp>
#include <sluice/vfio/cdev.hpp>

#include <optional>

namespace sluice::machine {

// A copy engine behind one of the host's SMMUs, and its character device. It works in the threads of whoever has it.
class HostEngine {
public:
  // Throws DriverRefused.
  HostEngine(const EngineConfig& config, HostSmmu& smmu, const vfio::Host& host, hosted::Port& port);
  HostEngine(const HostEngine&) = delete;
  HostEngine& operator=(const HostEngine&) = delete;
  ~HostEngine();

  const EngineConfig& config() const { return config_; }
  pcie::CopyEngine& engine() { return engine_; }
  vfio::Cdev& cdev() { return *cdev_; }

private:
  EngineConfig config_;
  HostSmmu& smmu_;
  pcie::CopyEngine engine_;
  PciFunction pci_;
  iommu::Device* device_{};
  std::optional<vfio::Cdev> cdev_;
};

} // namespace sluice::machine

#pragma once

#include <sluice/machine/host_smmu.hpp>
#include <sluice/machine/pci.hpp>
#include <sluice/machine/rng_worker.hpp>
#include <sluice/vfio/cdev.hpp>

#include <memory>
#include <optional>

namespace sluice::machine {

// An entropy source behind one of the host's SMMUs, and its character device.
class HostFunction {
public:
  // Throws DriverRefused.
  // `maps_alone` as for a worker, of this function's device.
  using MapsAlone = std::function<std::optional<bool>(const iommu::Device& device, std::uint64_t iova)>;
  HostFunction(const FunctionConfig& config, HostSmmu& smmu, const vfio::Host& host, hosted::Port& port,
               MapsAlone maps_alone);
  HostFunction(const HostFunction&) = delete;
  HostFunction& operator=(const HostFunction&) = delete;
  ~HostFunction();

  const FunctionConfig& config() const { return config_; }
  std::uint32_t stream() const { return rng_.stream(); }
  pcie::VirtioRng& rng() { return rng_; }
  vfio::Cdev& cdev() { return *cdev_; }
  model::Audit audit(std::span<const arch::Command> scope) { return worker_->audit(scope); }
  FunctionAccount account() const;

private:
  FunctionConfig config_;
  HostSmmu& smmu_;
  pcie::VirtioRng rng_;
  PciFunction pci_;
  iommu::Device* device_{};
  std::optional<RngWorker> worker_;
  std::optional<vfio::Cdev> cdev_;
};

} // namespace sluice::machine

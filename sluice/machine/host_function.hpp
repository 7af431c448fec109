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
  struct Questions {
    // As for a worker, of this function's device.
    std::function<std::optional<bool>(const iommu::Device& device, std::uint64_t iova)> maps_alone{};
    // By the worker, which holds nothing then.
    std::function<void(const iommu::Device& device, const model::StaleUse& use)> on_stale_use{};
  };
  // Throws DriverRefused.
  HostFunction(const FunctionConfig& config, HostSmmu& smmu, const vfio::Host& host, hosted::Port& port,
               Questions questions);
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
  void tell_stale_uses();

  FunctionConfig config_;
  HostSmmu& smmu_;
  const Questions questions_;
  pcie::VirtioRng rng_;
  PciFunction pci_;
  iommu::Device* device_{};
  std::uint64_t stale_known_{}; // the worker's
  std::optional<RngWorker> worker_;
  std::optional<vfio::Cdev> cdev_;
};

} // namespace sluice::machine

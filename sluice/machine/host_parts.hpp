#pragma once

#include <sluice/iommufd/memory_limit.hpp>
#include <sluice/machine/channels.hpp>
#include <sluice/machine/event_watch.hpp>
#include <sluice/machine/host_engine.hpp>
#include <sluice/machine/host_function.hpp>
#include <sluice/machine/process.hpp>

#include <memory>
#include <vector>

namespace sluice::machine {

// What a host is made of.
struct Host::Parts {
  // Until somebody says how descriptors lead to contexts, none is one.
  class ForwardedIommufds final : public vfio::Iommufds {
  public:
    base::Result<std::shared_ptr<iommufd::Context>> find_context(int fd) override {
      return to != nullptr ? to->find_context(fd) : base::Errc::bad_descriptor;
    }
    vfio::Iommufds* to{};
  };
  struct Audited {
    std::uint64_t audits{};
    std::uint64_t compared{};
    std::uint64_t stale{};
    std::vector<StaleUse> first{};
  };

  // A client's /dev/iommu. Audits after each call, and hands it on.
  struct Opened final : iommufd::Observer {
    Opened(Parts& of, iommufd::Observer* observer, advise::StaleObserver* of_stale);
    void on_call(const iommufd::CallRecord& record) override;

    Parts& parts;
    iommufd::Observer* const next;
    advise::StaleObserver* const stale;
    iommufd::Context context;
  };

  explicit Parts(const HostConfig& config);

  void add_smmu(const SmmuConfig& config);
  void add_function(const FunctionConfig& config);
  void add_engine(const EngineConfig& config);
  vfio::Host vfio_host(HostSmmu& smmu);
  // Throws hosted::SetupError where the address is taken or the SMMU is not there.
  void check_place(const PciAddress& address, unsigned smmu) const;
  // Those that are open.
  std::vector<std::shared_ptr<Opened>> open_contexts();
  std::optional<bool> maps_alone(const iommu::Device& device, std::uint64_t iova);
  void tell_stale_use(const iommu::Device& device, const model::StaleUse& use);

  // host_audit.cpp
  void audit_invalidated();
  std::vector<StaleUse> audit_smmu(unsigned smmu, std::span<const arch::Command> scope, std::uint64_t& compared);

  HostFault fault;
  bool without_invalidate;
  bool dirty_parents;
  std::optional<iommufd::MemoryLimit> limit;
  hosted::Port port;
  ClientMemory clients; // none of the machine's RAM
  Channels channels;
  Interleave interleave;
  Windows windows;
  ProcessCaller caller;
  ForwardedIommufds iommufds;
  EventWatch events;
  GuestMessages* guest{};
  std::vector<std::unique_ptr<HostSmmu>> smmus;
  std::vector<std::unique_ptr<HostFunction>> functions;
  std::vector<std::unique_ptr<HostEngine>> engines;

  mutable platform::Mutex mutex; // of what follows
  std::vector<std::weak_ptr<Opened>> contexts;
  std::vector<Audited> audited; // by SMMU
};

} // namespace sluice::machine

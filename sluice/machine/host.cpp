#include <sluice/machine/channels.hpp>
#include <sluice/machine/host_function.hpp>
#include <sluice/machine/process.hpp>
#include <sluice/machine/smmu_parts.hpp>

#include <algorithm>

namespace sluice::machine {

using base::Errc;

namespace {

// Where clients' memory appears: the upper half of what every SMMU can address, but not more than is useful.
Windows::Space window_space(const HostConfig& config) {
  unsigned bits = 43;
  for (const SmmuConfig& smmu : config.smmus) {
    bits = std::min(bits, smmu.features.oas_bits);
  }
  return {1ULL << (bits - 1), 1ULL << (bits - 1)};
}

// Until somebody says how descriptors lead to contexts, none is one.
class ForwardedIommufds final : public vfio::Iommufds {
public:
  base::Result<std::shared_ptr<iommufd::Context>> find_context(int fd) override {
    return to != nullptr ? to->find_context(fd) : Errc::bad_descriptor;
  }
  vfio::Iommufds* to{};
};

} // namespace

struct Host::Parts {
  explicit Parts(const HostConfig& config)
      : port{config.port}, clients{port.arena},
        interleave{port.seeded(), config.port.seeded ? config.port.seeded->seed : 0}, windows{port.sync,
                                                                                              window_space(config)} {}

  hosted::Port port;
  ClientMemory clients; // none of the machine's RAM
  Interleave interleave;
  Windows windows;
  Channels channels;
  ProcessCaller caller;
  ForwardedIommufds iommufds;
  std::vector<std::unique_ptr<HostSmmu>> smmus;
  std::vector<std::unique_ptr<HostFunction>> functions;
  mutable platform::Mutex mutex; // of contexts
  std::vector<std::weak_ptr<iommufd::Context>> contexts;

  // Those that are open.
  std::vector<std::shared_ptr<iommufd::Context>> open_contexts() {
    const platform::MutexGuard guard{port.sync, mutex};
    std::erase_if(contexts, [](const auto& c) { return c.expired(); });
    std::vector<std::shared_ptr<iommufd::Context>> open;
    for (const auto& c : contexts) {
      if (auto context = c.lock()) {
        open.push_back(std::move(context));
      }
    }
    return open;
  }
};

Host::Host(const HostConfig& config) : parts_{std::make_unique<Parts>(config)} {
  Parts& p = *parts_;
  const HostSurroundings around{p.port, p.clients, p.windows, p.interleave};
  for (const SmmuConfig& smmu : config.smmus) {
    const auto index = static_cast<unsigned>(p.smmus.size());
    p.smmus.push_back(std::make_unique<HostSmmu>(smmu, around, config.fault, index));
  }
  for (const FunctionConfig& function : config.functions) {
    const std::string text = to_string(function.address);
    if (function.smmu >= p.smmus.size()) {
      throw hosted::SetupError{"function " + text + ": there is no SMMU " + std::to_string(function.smmu)};
    }
    if (find(function.address)) {
      throw hosted::SetupError{"two functions have the address " + text};
    }
    HostSmmu& smmu = *p.smmus[function.smmu];
    const vfio::Host host{p.caller, p.iommufds, smmu.doorbell(), p.port.sync};
    p.functions.push_back(std::make_unique<HostFunction>(function, smmu, host, p.port));
  }
}

Host::~Host() {
  if (tear_down().contexts != 0) {
    static_cast<void>(parts_.release()); // somebody still works with it
  }
}

std::shared_ptr<iommufd::Context> Host::open_iommufd(iommufd::Observer* observer) {
  Parts& p = *parts_;
  auto context =
      std::make_shared<iommufd::Context>(iommufd::Host{p.caller, p.windows, p.channels}, p.port.sync, observer);
  const platform::MutexGuard guard{p.port.sync, p.mutex};
  p.contexts.push_back(context);
  return context;
}

std::unique_ptr<vfio::File> Host::open_device(unsigned function) {
  return parts_->functions.at(function)->cdev().open();
}

void Host::set_iommufds(vfio::Iommufds& iommufds) { parts_->iommufds.to = &iommufds; }

unsigned Host::functions() const { return static_cast<unsigned>(parts_->functions.size()); }
PciAddress Host::address(unsigned function) const { return parts_->functions.at(function)->config().address; }
pcie::VirtioRng& Host::rng(unsigned function) { return parts_->functions.at(function)->rng(); }
unsigned Host::smmus() const { return static_cast<unsigned>(parts_->smmus.size()); }
hosted::Port& Host::port() { return parts_->port; }

std::optional<unsigned> Host::find(const PciAddress& address) const {
  for (unsigned i = 0; i < functions(); ++i) {
    if (this->address(i) == address) {
      return i;
    }
  }
  return std::nullopt;
}

Account Host::account() const {
  Account account;
  for (const auto& smmu : parts_->smmus) {
    account.smmus.push_back(
        {.driver = smmu->driver().counters(), .model = smmu->model().counters(), .spoiled = smmu->spoiled()});
    account.vectors += smmu->doorbell().connected();
  }
  for (const auto& function : parts_->functions) {
    account.functions.push_back(function->account());
  }
  account.windows = parts_->windows.live();
  const auto contexts = parts_->open_contexts();
  account.contexts = contexts.size();
  for (const auto& context : contexts) {
    account.objects += context->objects();
  }
  return account;
}

std::uint64_t Account::stale() const {
  std::uint64_t sum = 0;
  for (const SmmuAccount& smmu : smmus) {
    sum += smmu.stale;
  }
  return sum;
}

Remains Host::tear_down() {
  Parts& p = *parts_;
  Remains remains;
  remains.contexts = p.open_contexts().size();
  if (remains.contexts != 0) {
    return remains;
  }
  for (const auto& smmu : p.smmus) {
    smmu->driver().poll();
    remains.queues_idle = remains.queues_idle && idle(smmu->model().snapshot());
    remains.vectors += smmu->doorbell().connected();
  }
  p.functions.clear();
  p.smmus.clear();
  p.port.sync.reclaim();
  p.port.device_sync.reclaim();
  const auto counts = p.port.memory.counts();
  remains.client_bytes = p.clients.live_bytes();
  remains.windows = p.windows.live();
  remains.driver_dma = counts.dma_bytes;
  remains.driver_plain = counts.plain_bytes;
  remains.driver_blocks = counts.live();
  return remains;
}

} // namespace sluice::machine

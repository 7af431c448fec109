#include <sluice/machine/host_parts.hpp>

#include <algorithm>

namespace sluice::machine {

using platform::MutexGuard;

namespace {

// Where clients' memory appears: the upper half of what every SMMU can address, but not more than is useful.
Windows::Space window_space(const HostConfig& config) {
  unsigned bits = 43;
  for (const SmmuConfig& smmu : config.smmus) {
    bits = std::min(bits, smmu.features.oas_bits);
  }
  return {1ULL << (bits - 1), 1ULL << (bits - 1)};
}

} // namespace

Host::Parts::Parts(const HostConfig& config)
    : fault{config.fault}, without_invalidate{config.without_cache_invalidate},
      dirty_parents{config.dirty_parents}, port{config.port}, clients{port.arena}, channels{port.sync},
      interleave{port.seeded(), config.port.seeded ? config.port.seeded->seed : 0}, windows{port.sync,
                                                                                            window_space(config)} {
  if (config.memory_limit) {
    limit.emplace(*config.memory_limit / 4096);
  }
  for (const SmmuConfig& smmu : config.smmus) {
    add_smmu(smmu);
  }
  for (const FunctionConfig& function : config.functions) {
    add_function(function);
  }
  for (const EngineConfig& engine : config.engines) {
    add_engine(engine);
  }
}

void Host::Parts::add_smmu(const SmmuConfig& config) {
  const auto index = static_cast<unsigned>(smmus.size());
  audited.emplace_back();
  smmus.push_back(
      std::make_unique<HostSmmu>(config, HostSurroundings{port, clients, windows, interleave}, fault, index));
  smmus.back()->doorbell().set_elsewhere(
      [this, index](std::uint64_t stream, std::uint64_t address, std::uint32_t data) {
        for (unsigned f = 0; guest != nullptr && f < functions.size(); ++f) {
          if (functions[f]->config().smmu == index && functions[f]->stream() == stream) {
            return guest->on_message(f, address, data);
          }
        }
        return false;
      });
}

void Host::Parts::check_place(const PciAddress& address, unsigned smmu) const {
  const std::string text = to_string(address);
  if (smmu >= smmus.size()) {
    throw hosted::SetupError{"function " + text + ": there is no SMMU " + std::to_string(smmu)};
  }
  const auto taken = [&](const auto& other) { return other->config().address == address; };
  if (std::any_of(functions.begin(), functions.end(), taken) || std::any_of(engines.begin(), engines.end(), taken)) {
    throw hosted::SetupError{"two functions have the address " + text};
  }
}

// Where actors take turns, nobody beside them may call.
vfio::Host Host::Parts::vfio_host(HostSmmu& smmu) {
  return {caller, iommufds, smmu.doorbell(), port.sync, port.schedule->seeded() ? nullptr : &events};
}

void Host::Parts::add_engine(const EngineConfig& config) {
  check_place(config.address, config.smmu);
  HostSmmu& smmu = *smmus[config.smmu];
  engines.push_back(std::make_unique<HostEngine>(config, smmu, vfio_host(smmu), port, windows.device_ranges()));
}

void Host::Parts::add_function(const FunctionConfig& config) {
  check_place(config.address, config.smmu);
  HostSmmu& smmu = *smmus[config.smmu];
  functions.push_back(std::make_unique<HostFunction>(
      config, smmu, vfio_host(smmu), port,
      HostFunction::Questions{
          [this](const iommu::Device& device, std::uint64_t iova) { return maps_alone(device, iova); },
          [this](const iommu::Device& device, const model::StaleUse& use) { tell_stale_use(device, use); }}));
}

std::vector<std::shared_ptr<Host::Parts::Opened>> Host::Parts::open_contexts() {
  const MutexGuard guard{port.sync, mutex};
  std::erase_if(contexts, [](const auto& c) { return c.expired(); });
  std::vector<std::shared_ptr<Opened>> open;
  for (const auto& c : contexts) {
    if (auto opened = c.lock()) {
      open.push_back(std::move(opened));
    }
  }
  return open;
}

std::optional<bool> Host::Parts::maps_alone(const iommu::Device& device, std::uint64_t iova) {
  for (const auto& opened : open_contexts()) {
    if (auto maps = opened->context.ioas_maps(device, iova)) {
      return *maps;
    }
  }
  return std::nullopt;
}

void Host::Parts::tell_stale_use(const iommu::Device& device, const model::StaleUse& use) {
  for (const auto& opened : open_contexts()) {
    if (const auto at = opened->stale != nullptr ? opened->context.placement(device) : base::Errc::not_found) {
      opened->stale->on_stale_use(*at, use);
    }
  }
}

Host::Parts::Opened::Opened(Parts& of, iommufd::Observer* observer, advise::StaleObserver* of_stale)
    : parts{of}, next{observer}, stale{of_stale}, context{{.caller = of.caller,
                                                           .pages = of.windows,
                                                           .channels = of.channels,
                                                           .without_invalidate = of.without_invalidate,
                                                           .limit = of.limit ? &*of.limit : nullptr,
                                                           .dirty_parents = of.dirty_parents},
                                                          of.port.sync,
                                                          this} {}

void Host::Parts::Opened::on_call(const iommufd::CallRecord& record) {
  parts.audit_invalidated();
  if (next != nullptr) {
    next->on_call(record);
  }
}

} // namespace sluice::machine

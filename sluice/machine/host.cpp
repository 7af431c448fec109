#include <sluice/machine/host_parts.hpp>
#include <sluice/machine/smmu_parts.hpp>

namespace sluice::machine {

using platform::MutexGuard;

namespace {

void add(Moved& sum, const Moved& part) {
  sum.requests += part.requests;
  sum.bytes += part.bytes;
}

} // namespace

Host::Host(const HostConfig& config) : parts_{std::make_unique<Parts>(config)} {}

Host::~Host() {
  if (tear_down().contexts != 0) {
    static_cast<void>(parts_.release()); // somebody still works with it
  }
}

std::shared_ptr<iommufd::Context> Host::open_iommufd(iommufd::Observer* observer, advise::StaleObserver* stale) {
  Parts& p = *parts_;
  auto opened = std::make_shared<Parts::Opened>(p, observer, stale);
  const MutexGuard guard{p.port.sync, p.mutex};
  p.contexts.push_back(opened);
  return {opened, &opened->context};
}

std::unique_ptr<vfio::File> Host::open_device(unsigned function) {
  return parts_->functions.at(function)->cdev().open();
}

Queues& Host::queues() { return parts_->channels.queues(); }
void Host::set_iommufds(vfio::Iommufds& iommufds) { parts_->iommufds.to = &iommufds; }
void Host::set_guest_messages(GuestMessages& guest) { parts_->guest = &guest; }

unsigned Host::functions() const { return static_cast<unsigned>(parts_->functions.size()); }
PciAddress Host::address(unsigned function) const { return parts_->functions.at(function)->config().address; }
pcie::VirtioRng& Host::rng(unsigned function) { return parts_->functions.at(function)->rng(); }
unsigned Host::engines() const { return static_cast<unsigned>(parts_->engines.size()); }
pcie::CopyEngine& Host::engine(unsigned engine) { return parts_->engines.at(engine)->engine(); }
std::unique_ptr<vfio::File> Host::open_engine(unsigned engine) { return parts_->engines.at(engine)->cdev().open(); }
model::Smmu& Host::hardware(unsigned smmu) { return parts_->smmus.at(smmu)->model(); }
unsigned Host::smmus() const { return static_cast<unsigned>(parts_->smmus.size()); }
hosted::Port& Host::port() { return parts_->port; }
DeviceRanges& Host::device_ranges() { return parts_->windows.device_ranges(); }

std::optional<unsigned> Host::find(const PciAddress& address) const {
  for (unsigned i = 0; i < functions(); ++i) {
    if (this->address(i) == address) {
      return i;
    }
  }
  return std::nullopt;
}

Account Host::account() const {
  Parts& p = *parts_;
  Account account;
  for (const auto& function : p.functions) {
    account.functions.push_back(function->account());
  }
  for (const auto& engine : p.engines) {
    account.engines.push_back({engine->config().address, engine->jobs()});
  }
  for (unsigned i = 0; i < smmus(); ++i) {
    SmmuAccount& smmu = account.smmus.emplace_back();
    p.smmus[i]->fill(smmu);
    for (const FunctionAccount& f : account.functions) {
      if (f.smmu == i) {
        add(smmu.nested, f.nested);
        add(smmu.stage1, f.stage1);
        add(smmu.stage2, f.stage2);
        add(smmu.bypassed, f.bypassed);
      }
    }
    account.vectors += p.smmus[i]->doorbell().connected();
    const MutexGuard guard{p.port.sync, p.mutex};
    const auto& audited = p.audited[i];
    smmu.audits = audited.audits;
    smmu.compared = audited.compared;
    smmu.stale = audited.stale;
    smmu.first_stale = audited.first;
  }
  account.windows = p.windows.live();
  const auto contexts = p.open_contexts();
  account.contexts = contexts.size();
  for (const auto& opened : contexts) {
    account.objects += opened->context.objects();
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
  p.engines.clear();
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

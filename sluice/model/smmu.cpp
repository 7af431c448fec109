#include <sluice/model/core.hpp>
#include <sluice/model/smmu.hpp>

namespace sluice::model {

base::Result<std::unique_ptr<Smmu>> Smmu::make(const Features& features, const Knobs& knobs, Bus& bus,
                                               platform::Sync& sync, platform::Time& time) {
  const Refusal why = refusal(features, knobs);
  if (why != Refusal::none) {
    if (knobs.observer != nullptr) {
      knobs.observer->met({Condition::Kind::refusal, static_cast<std::uint16_t>(why)});
    }
    return errc(why);
  }
  return std::unique_ptr<Smmu>{new Smmu{std::make_unique<Core>(features, knobs, bus, sync, time)}};
}

Smmu::Smmu(std::unique_ptr<Core> core) : core_{std::move(core)} {}
Smmu::~Smmu() = default;

std::uint64_t Smmu::read(std::uint32_t offset, unsigned size) { return core_->read(offset, size); }
void Smmu::write(std::uint32_t offset, unsigned size, std::uint64_t value) { core_->write(offset, size, value); }
void Smmu::broadcast(const arch::Command& tlbi) { core_->broadcast(tlbi); }
std::uint64_t Smmu::dvm_sync() { return core_->dvm_sync(); }
bool Smmu::dvm_synced(std::uint64_t number) { return core_->dvm_synced(number); }
bool Smmu::step() { return core_->poll(); }
const Features& Smmu::features() const { return core_->facts().features; }
Counters Smmu::counters() const { return core_->counters(); }
Snapshot Smmu::snapshot() const { return core_->snapshot(); }
StaleUses Smmu::stale_uses(std::uint64_t known) const { return core_->stale_uses().all(known); }
std::vector<SoftwareFinding> Smmu::software_faults() const { return core_->software_faults().found(); }

} // namespace sluice::model

#include <sluice/model/port_path.hpp>

// Knobs::watch_stale: what an access went by, against memory.
namespace sluice::model {

// What the TLB has for it.
std::optional<StaleWatch::Difference> PortCore::stale_translation(const Binding& b, const Regime& regime,
                                                                  std::uint64_t address) {
  std::optional<StaleWatch::Difference> found;
  const TlbEntry* entry = b.bypass ? nullptr : find(b, address);
  if (entry != nullptr && entry->allowed() != 0) {
    contexts_.each([&](const Context& context, std::uint32_t name) {
      if (name == entry->context()) {
        found = stale_watch_->translation(regime, context, *entry, address & ~0xfffULL);
      }
    });
  }
  return found;
}

void PortCore::watch_stale(const Request& r) {
  if (!registers_.smmuen) {
    return;
  }
  auto found = stale_watch_->configuration(registers_, r.stream_id, r.substream_id, configuration_);
  const std::size_t at = slot(key_of(r));
  if (!found && bindings_[at].key == stored(key_of(r))) {
    found = stale_translation(bindings_[at], regimes_[at], r.address);
  }
  note_stale(r, found);
}

// `asked`: with what the endpoint asked for. Where the SMMU's own caches are what the ATC has its translation from,
// they are to blame.
void PortCore::watch_translated(const Request& asked, std::uint64_t used) {
  if (!registers_.smmuen ||
      stale_watch_->configuration(registers_, asked.stream_id, asked.substream_id, configuration_)) {
    return;
  }
  std::optional<StaleWatch::Difference> found;
  Regime regime;
  Fault fault;
  if (contexts_.room(3) && configuration_.resolve(registers_, asked.stream_id, asked.substream_id, regime, fault)) {
    Binding binding;
    fill(binding, regime);
    found = stale_translation(binding, regime, asked.address);
  }
  if (!found) {
    found = stale_watch_->translated(registers_, asked, used & ~0xfffULL);
  }
  note_stale(asked, found);
}

void PortCore::note_stale(const Request& r, std::optional<StaleWatch::Difference>& found) {
  if (!found) {
    return;
  }
  found->use.stream_id = r.stream_id;
  found->use.substream_id = r.substream_id;
  found->use.address = r.address;
  const bool outstanding = core_.any_outstanding(
      seen_, [&](const arch::Command& command) { return stale_watch_->covers(command, *found, vmid_wildcard()); });
  if (!outstanding && stale_watch_->is_stale(*found, core_.syncs(), core_.now_ns())) {
    core_.stale_uses().add(found->use);
    facts_.met(Condition::Kind::stale_use, static_cast<std::uint16_t>(found->use.kind));
  }
}

} // namespace sluice::model

#include <sluice/model/port_path.hpp>

#include <algorithm>

// Knobs::watch_stale: what an access went by, against memory.
namespace sluice::model {

void PortCore::watch_stale(const Request& r) {
  if (!registers_.smmuen) {
    return;
  }
  auto found = stale_watch_->configuration(registers_, r.stream_id, r.substream_id, configuration_);
  const Binding& b = bindings_[slot(key_of(r))];
  if (!found && b.key == stored(key_of(r)) && !b.bypass) {
    const TlbEntry* entry = find(b, r.address);
    if (entry != nullptr && entry->allowed() != 0) {
      contexts_.each([&](const Context& context, std::uint32_t name) {
        if (name == entry->context()) {
          found = stale_watch_->translation(regimes_[slot(key_of(r))], context, *entry, r.address & ~0xfffULL);
        }
      });
    }
  }
  if (!found) {
    return;
  }
  found->use.stream_id = r.stream_id;
  found->use.substream_id = r.substream_id;
  found->use.address = r.address;
  const bool outstanding = core_.any_outstanding(
      seen_, [&](const arch::Command& command) { return stale_watch_->covers(command, *found, vmid_wildcard()); });
  if (!outstanding && stale_watch_->is_stale(*found, core_.syncs())) {
    core_.stale_uses().add(found->use);
  }
}

} // namespace sluice::model

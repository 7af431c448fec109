#include <sluice/pcie/ats.hpp>

namespace sluice::pcie {

using platform::SpinGuard;

model::Transfer Ats::transfer(model::Port::Burst& burst, model::Request r, void* data, std::uint64_t size,
                              bool& not_present) {
  model::Transfer t;
  auto* bytes = static_cast<std::byte*>(data);
  while (t.done < size) {
    const std::uint64_t in_page = 0x1000 - (r.address & 0xfff);
    r.size = static_cast<std::uint32_t>(size - t.done < in_page ? size - t.done : in_page);
    t.outcome = access(burst, r, bytes + t.done, not_present);
    if (!t.outcome.served()) {
      break;
    }
    t.done += r.size;
    r.address += r.size;
  }
  return t;
}

// From the pause on to the translated access there is no quiescent state: a CMD_SYNC after a CMD_ATC_INV waits for this
// access if it has found what was invalidated, and a CMD_SYNC after ATS Enable was cleared if it has seen it set.
model::Outcome Ats::access(model::Port::Burst& burst, const model::Request& r, void* data, bool& not_present) {
  burst.pause();
  if (!capabilities_.ats_enabled()) {
    return burst.access(r, data);
  }
  const Atc::Wanted wanted{r.substream_id, r.address, r.write, r.instruction, r.privileged};
  model::Request translated = r;
  if (const auto found = atc_.find(wanted)) {
    translated.address = *found;
    return burst.access_translated(translated, data, r.address);
  }
  const std::uint64_t generation = atc_.generation();
  const auto asked = burst.request_translation({.stream_id = r.stream_id,
                                                .substream_id = r.substream_id,
                                                .address = r.address & ~0xfffULL,
                                                .no_write = !r.write,
                                                .execute = r.instruction,
                                                .privileged = r.privileged});
  const auto& c = asked.completion;
  // The request has begun with a quiescent state: what was seen before it counts no more.
  if (!capabilities_.ats_enabled() || (c.succeeded() && c.untranslated_only)) {
    return burst.access(r, data);
  }
  if (!c.succeeded() || !(r.write ? c.write : r.instruction ? c.execute : c.read)) {
    not_present = c.succeeded();
    return {model::Outcome::Kind::aborted, asked.event, asked.recorded};
  }
  atc_.insert(wanted, c, generation);
  const std::uint64_t inside = c.log2_size >= 64 ? ~0ULL : (1ULL << c.log2_size) - 1;
  translated.address = c.address | (r.address & inside);
  return burst.access_translated(translated, data, r.address);
}

model::AtcAnswer Ats::invalidate(const model::AtcInvalidation& invalidation) {
  if (!capabilities_.config().ats) {
    return model::AtcAnswer::unsupported;
  }
  const Manner manner = manner_.load();
  if (manner != Manner::slow) {
    atc_.invalidate(invalidation);
  }
  if (manner == Manner::prompt) {
    return model::AtcAnswer::completed;
  }
  const SpinGuard guard{sync_, lock_};
  pending_[invalidation.tag % tags] = {manner == Manner::slow ? Pending::State::waits : Pending::State::lost,
                                       invalidation};
  return model::AtcAnswer::pending;
}

bool Ats::completed(std::uint8_t tag) {
  const SpinGuard guard{sync_, lock_};
  Pending& pending = pending_[tag % tags];
  const bool done = pending.state == Pending::State::done;
  if (done) {
    pending = {};
  }
  return done;
}

void Ats::complete_all() {
  const SpinGuard guard{sync_, lock_};
  for (Pending& pending : pending_) {
    if (pending.state == Pending::State::waits) {
      atc_.invalidate(pending.invalidation);
      pending.state = Pending::State::done;
    }
  }
}

// 10.5.1.3: an ATC that is switched on is empty.
void Ats::on_config_write() {
  const bool enabled = capabilities_.ats_enabled();
  if (was_enabled_.exchange(enabled) != enabled) {
    atc_.clear();
  }
  pages_.on_config_write();
}

void Ats::reset() {
  capabilities_.reset();
  was_enabled_.store(false);
  atc_.clear();
  pages_.reset();
}

} // namespace sluice::pcie

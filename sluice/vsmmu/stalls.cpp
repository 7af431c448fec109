#include <sluice/vsmmu/stalls.hpp>

#include <algorithm>
#include <utility>

namespace sluice::vsmmu {

using arch::Event;

bool Stalls::add(std::uint32_t cookie, const Event& record) {
  const auto free = std::find_if(slots_.begin(), slots_.end(), [](const Slot& s) { return !s.waiting && !s.owed; });
  if (free == slots_.end()) {
    return false;
  }
  const auto tag = static_cast<std::uint64_t>(free - slots_.begin());
  free->waiting = Waiting{cookie, record.with(Event::STAG, tag), false};
  free->order = ++last_order_;
  ++waiting_;
  return true;
}

Stalls::Waiting* Stalls::next() {
  Slot* first = nullptr;
  for (Slot& slot : slots_) {
    if (slot.waiting && !slot.waiting->recorded && (first == nullptr || slot.order < first->order)) {
      first = &slot;
    }
  }
  return first != nullptr ? &*first->waiting : nullptr;
}

std::optional<std::uint32_t> Stalls::take(std::uint32_t stream, std::uint16_t tag) {
  if (tag < slots_.size() && slots_[tag].owed == stream) {
    slots_[tag].owed.reset();
  }
  return take_if([&](const Waiting& w) {
    return w.recorded && w.record.get(Event::StreamID) == stream && w.record.get(Event::STAG) == tag;
  });
}

std::optional<std::uint32_t> Stalls::take_any(std::uint32_t stream) {
  for (Slot& slot : slots_) {
    slot.owed = slot.owed == stream ? std::nullopt : slot.owed;
  }
  return take_if([&](const Waiting& w) { return w.record.get(Event::StreamID) == stream; });
}

std::optional<std::uint32_t> Stalls::take_any() {
  for (Slot& slot : slots_) {
    slot.owed.reset();
  }
  return take_if([](const Waiting&) { return true; });
}

std::vector<std::uint32_t> Stalls::end(std::uint32_t stream) {
  return end_if([&](const Waiting& w) { return w.record.get(Event::StreamID) == stream; });
}

std::vector<std::uint32_t> Stalls::end() {
  return end_if([](const Waiting&) { return true; });
}

std::vector<Stalls::Owed> Stalls::owed() const {
  std::vector<Owed> all;
  for (std::uint32_t tag = 0; tag < slots_.size(); ++tag) {
    const Slot& slot = slots_[tag];
    if (slot.owed) {
      all.push_back({tag, *slot.owed});
    } else if (slot.waiting && slot.waiting->recorded) {
      all.push_back({tag, static_cast<std::uint32_t>(slot.waiting->record.get(Event::StreamID))});
    }
  }
  return all;
}

void Stalls::restore(std::span<const Owed> owed) {
  for (Slot& slot : slots_) {
    slot = {};
  }
  waiting_ = 0;
  for (const Owed& o : owed) {
    slots_[o.tag].owed = o.stream;
  }
}

template <class Matches>
std::vector<std::uint32_t> Stalls::end_if(Matches matches) {
  std::vector<std::uint32_t> cookies;
  for (Slot& slot : slots_) {
    if (slot.waiting && matches(*slot.waiting)) {
      const Waiting ended = *std::exchange(slot.waiting, std::nullopt);
      --waiting_;
      if (ended.recorded) {
        slot.owed = static_cast<std::uint32_t>(ended.record.get(Event::StreamID));
      }
      cookies.push_back(ended.cookie);
    }
  }
  return cookies;
}

template <class Matches>
std::optional<std::uint32_t> Stalls::take_if(Matches matches) {
  const auto found =
      std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.waiting && matches(*s.waiting); });
  if (found == slots_.end()) {
    return std::nullopt;
  }
  --waiting_;
  return std::exchange(found->waiting, std::nullopt)->cookie;
}

} // namespace sluice::vsmmu

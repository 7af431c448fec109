#include <sluice/vsmmu/stalls.hpp>

#include <algorithm>
#include <utility>

namespace sluice::vsmmu {

using arch::Event;

bool Stalls::add(std::uint32_t cookie, const Event& record) {
  const auto free = std::find_if(slots_.begin(), slots_.end(), [](const Slot& s) { return !s.waiting; });
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
  return take_if([&](const Waiting& w) {
    return w.recorded && w.record.get(Event::StreamID) == stream && w.record.get(Event::STAG) == tag;
  });
}

std::optional<std::uint32_t> Stalls::take_any(std::uint32_t stream) {
  return take_if([&](const Waiting& w) { return w.record.get(Event::StreamID) == stream; });
}

std::optional<std::uint32_t> Stalls::take_any() {
  return take_if([](const Waiting&) { return true; });
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

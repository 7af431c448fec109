#include <sluice/base/check.hpp>
#include <sluice/hosted/buddy.hpp>

#include <algorithm>
#include <bit>

namespace sluice::hosted {

Buddy::Buddy(std::uint64_t begin, std::uint64_t end)
    : begin_{static_cast<std::uint32_t>(begin / granule)}, end_{static_cast<std::uint32_t>(end / granule)},
      memory_{Mapping::zeroed(end / granule * sizeof(Note))}, notes_{static_cast<Note*>(memory_.at())} {
  base::check(begin % granule == 0 && end % granule == 0 && begin <= end && end / granule < none);
  free_.fill(none);
  for (std::uint32_t at = begin_; at < end_;) {
    const auto aligned = at == 0 ? orders - 1 : static_cast<unsigned>(std::countr_zero(at));
    const auto fits = static_cast<unsigned>(std::bit_width(end_ - at)) - 1;
    const auto order = std::min(aligned, fits);
    push(at, order);
    at += static_cast<std::uint32_t>(granules(order));
  }
}

std::optional<std::uint64_t> Buddy::take(std::uint64_t size) {
  if (size > static_cast<std::uint64_t>(end_) * granule) {
    return std::nullopt;
  }
  const auto wanted = static_cast<unsigned>(std::countr_zero(std::bit_ceil(std::max(size, granule)) / granule));
  auto order = wanted;
  while (order < orders && free_.at(order) == none) {
    ++order;
  }
  if (order >= orders) {
    return std::nullopt;
  }
  const auto at = free_.at(order);
  remove(at);
  while (order > wanted) {
    --order;
    push(at + static_cast<std::uint32_t>(granules(order)), order);
  }
  notes_[at].state = State::used;
  notes_[at].order = static_cast<std::uint8_t>(wanted);
  used_ += granules(wanted) * granule;
  return at * granule;
}

std::optional<std::uint64_t> Buddy::size_of(std::uint64_t offset) const {
  const auto at = offset / granule;
  if (offset % granule != 0 || at < begin_ || at >= end_ || notes_[at].state != State::used) {
    return std::nullopt;
  }
  return granules(notes_[at].order) * granule;
}

void Buddy::give(std::uint64_t offset) {
  auto at = static_cast<std::uint32_t>(offset / granule);
  unsigned order = notes_[at].order;
  base::check(size_of(offset).has_value());
  used_ -= granules(order) * granule;
  notes_[at].state = State::inside;
  for (; order + 1 < orders; ++order) {
    const auto size = static_cast<std::uint32_t>(granules(order));
    const auto buddy = at ^ size;
    if (buddy < begin_ || static_cast<std::uint64_t>(buddy) + size > end_ || notes_[buddy].state != State::free ||
        notes_[buddy].order != order) {
      break;
    }
    remove(buddy);
    at = std::min(at, buddy);
  }
  push(at, order);
}

void Buddy::push(std::uint32_t at, unsigned order) {
  auto& head = free_.at(order);
  notes_[at] = {head, none, State::free, static_cast<std::uint8_t>(order)};
  if (head != none) {
    notes_[head].previous = at;
  }
  head = at;
}

void Buddy::remove(std::uint32_t at) {
  auto& note = notes_[at];
  if (note.previous != none) {
    notes_[note.previous].next = note.next;
  } else {
    free_.at(note.order) = note.next;
  }
  if (note.next != none) {
    notes_[note.next].previous = note.previous;
  }
  note.state = State::inside;
}

} // namespace sluice::hosted

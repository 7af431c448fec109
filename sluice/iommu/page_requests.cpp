#include <sluice/iommu/page_requests.hpp>

#include <sluice/iommu/domain.hpp>

#include <new>

namespace sluice::iommu {

using base::Errc;
using base::Order;
using platform::SpinGuard;

base::Status PageRequests::make(std::size_t groups, std::uint64_t timeout_us) {
  auto& memory = platform_.memory;
  auto slots = memory.alloc(groups * sizeof(Slot));
  if (!slots) {
    return slots.error();
  }
  auto pages = memory.alloc(groups * sizeof(Page));
  if (!pages) {
    memory.free(*slots, groups * sizeof(Slot));
    return pages.error();
  }
  slots_ = static_cast<Slot*>(*slots);
  pages_ = static_cast<Page*>(*pages);
  size_ = groups;
  timeout_ns_ = timeout_us * 1000;
  for (std::size_t i = groups; i-- > 0;) {
    ::new (&slots_[i]) Slot{.generation = 1, .next_free = free_slot_};
    ::new (&pages_[i]) Page{.request = {}, .next = free_page_};
    free_slot_ = free_page_ = static_cast<std::uint32_t>(i);
  }
  return {};
}

PageRequests::~PageRequests() {
  if (slots_ != nullptr) {
    platform_.memory.free(pages_, size_ * sizeof(Page));
    platform_.memory.free(slots_, size_ * sizeof(Slot));
  }
}

std::uint32_t PageRequests::find(const PageAsker& asker) const {
  for (std::uint32_t i = 0; i < size_; ++i) {
    const Slot& s = slots_[i];
    if (s.state == State::collecting && s.asker.device == asker.device && s.asker.requester == asker.requester &&
        s.asker.target == asker.target && s.asker.tag == asker.tag) {
      return i;
    }
  }
  return none;
}

std::uint32_t PageRequests::open(const PageAsker& asker) {
  const std::uint32_t index = free_slot_;
  if (index != none) {
    Slot& slot = slots_[index];
    free_slot_ = slot.next_free;
    slot.asker = asker;
    slot.state = State::collecting;
    slot.deadline = platform_.time.now_ns() + timeout_ns_;
    open_.fetch_add(1, Order::relaxed);
  }
  return index;
}

void PageRequests::append(Slot& slot, const PageRequest& request) {
  const std::uint32_t index = free_page_;
  slot.too_long = slot.too_long || slot.count == max_pages;
  slot.no_room = slot.no_room || index == none;
  if (slot.too_long || slot.no_room) {
    return;
  }
  free_page_ = pages_[index].next;
  pages_[index] = {request, none};
  (slot.first == none ? slot.first : pages_[slot.last].next) = index;
  slot.last = index;
  ++slot.count;
}

void PageRequests::copy(const Slot& slot, Pages& pages) const {
  std::size_t n = 0;
  for (std::uint32_t i = slot.first; i != none; i = pages_[i].next) {
    pages[n++] = pages_[i].request;
  }
}

void PageRequests::close(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.first != none) {
    pages_[slot.last].next = free_page_;
    free_page_ = slot.first;
  }
  // 0 is no ticket's.
  slot = {.generation = slot.generation + 1 != 0 ? slot.generation + 1 : 1, .next_free = free_slot_};
  free_slot_ = index;
  open_.fetch_sub(1, Order::relaxed);
}

auto PageRequests::collect(const PageAsker& asker, const PageRequest& request, bool last, Pages& pages) -> Collected {
  const SpinGuard guard{platform_.sync, lock_};
  std::uint32_t index = asker.stalled ? none : find(asker);
  index = index != none ? index : open(asker);
  if (index == none) {
    return {Arrival::no_room};
  }
  Slot& slot = slots_[index];
  append(slot, request);
  if (!last) {
    return {Arrival::collected};
  }
  if (slot.too_long || slot.no_room) {
    const auto arrival = slot.too_long ? Arrival::too_long : Arrival::no_room;
    close(index);
    return {arrival};
  }
  // With the lock held: whoever ends the attachment has told domain_of() before he takes it to settle what he finds.
  slot.domain = responder_.domain_of(asker);
  if (slot.domain == nullptr || !slot.domain->takes_page_requests()) {
    close(index);
    return {Arrival::refused};
  }
  slot.state = State::waiting;
  slot.deadline = platform_.time.now_ns() + timeout_ns_;
  copy(slot, pages);
  return {Arrival::delivered,
          {asker.device, slot.domain, asker.target, asker.stalled, asker.tag, std::span{pages}.first(slot.count),
           PageTicket{index, slot.generation}}};
}

auto PageRequests::add(const PageAsker& asker, const PageRequest& request, bool last) -> Arrival {
  Pages pages;
  const Collected c = collect(asker, request, last, pages);
  switch (c.arrival) {
  case Arrival::collected:
    break;
  case Arrival::no_room:
    count(overflowed_);
    if (last) { // 8.2: as the hardware does when its queue is full
      responder_.send(asker, asker.stalled ? PageResponse::failed : PageResponse::served);
    }
    break;
  case Arrival::too_long:
    count(overflowed_);
    responder_.send(asker, PageResponse::invalid);
    break;
  case Arrival::refused:
    count(refused_);
    responder_.send(asker, PageResponse::invalid);
    break;
  case Arrival::delivered:
    count(groups_);
    if (!c.group.domain->deliver(c.group)) { // its handler has gone meanwhile, and settles what it leaves
      return Arrival::refused;
    }
    break;
  }
  return c.arrival;
}

// In a read section, so that whoever reclaims knows that what has been taken has been sent.
base::Status PageRequests::answer(PageTicket ticket, PageResponse response) {
  const platform::ReadSection section{platform_.sync};
  PageAsker asker;
  {
    const SpinGuard guard{platform_.sync, lock_};
    if (ticket.slot_ >= size_ || slots_[ticket.slot_].generation != ticket.generation_ ||
        slots_[ticket.slot_].state != State::waiting) {
      return Errc::not_found;
    }
    asker = slots_[ticket.slot_].asker;
    close(ticket.slot_);
  }
  count(answered_);
  responder_.send(asker, response);
  return {};
}

// The next one from `from` on; none if there is none.
template <class Matches>
std::uint32_t PageRequests::take(std::uint32_t from, Matches matches, PageAsker& asker) {
  const SpinGuard guard{platform_.sync, lock_};
  if (open_.load(Order::relaxed) == 0) {
    return none;
  }
  for (std::uint32_t i = from; i < size_; ++i) {
    if (slots_[i].state == State::waiting && matches(slots_[i])) {
      asker = slots_[i].asker;
      close(i);
      return i;
    }
  }
  return none;
}

// Nothing is sent with the lock held. What is given up here is for its function no reason to give up all (10.4.2.1).
template <class Matches>
unsigned PageRequests::answer_all(Matches matches, PageResponse response, base::Atomic<std::uint64_t>& counter) {
  const platform::ReadSection section{platform_.sync};
  unsigned answered = 0;
  PageAsker asker;
  for (std::uint32_t i = take(0, matches, asker); i != none; i = take(i + 1, matches, asker)) {
    count(counter);
    ++answered;
    const bool all_would_end = response == PageResponse::failed && !asker.stalled;
    responder_.send(asker, all_would_end ? PageResponse::invalid : response);
  }
  return answered;
}

void PageRequests::settle(const Device& device, Target target, PageResponse response) {
  const auto its = [&](const Slot& s) { return s.asker.device == &device && s.asker.target == target; };
  static_cast<void>(answer_all(its, response, settled_));
}

void PageRequests::settle(const Device& device, PageResponse response) {
  static_cast<void>(answer_all([&](const Slot& s) { return s.asker.device == &device; }, response, settled_));
}

void PageRequests::settle(const Domain& domain, PageResponse response) {
  static_cast<void>(answer_all([&](const Slot& s) { return s.domain == &domain; }, response, settled_));
}

unsigned PageRequests::expire() {
  if (open_.load(Order::relaxed) == 0) {
    return 0;
  }
  const std::uint64_t now = platform_.time.now_ns();
  const auto late = [&](const Slot& s) { return s.deadline <= now; };
  unfinished_.fetch_add(drop(State::collecting, late), Order::relaxed);
  return answer_all(late, PageResponse::failed, late_);
}

template <class Matches>
unsigned PageRequests::drop(State state, Matches matches) {
  const SpinGuard guard{platform_.sync, lock_};
  unsigned closed = 0;
  for (std::uint32_t i = 0; i < size_; ++i) {
    if (slots_[i].state == state && matches(slots_[i])) {
      close(i);
      ++closed;
    }
  }
  return closed;
}

void PageRequests::forget(const Device& device) {
  static_cast<void>(drop(State::collecting, [&](const Slot& s) { return s.asker.device == &device; }));
}

void PageRequests::drop_collected() {
  static_cast<void>(drop(State::collecting, [](const Slot&) { return true; }));
}

unsigned PageRequests::drop_stalls() {
  const unsigned dropped = drop(State::waiting, [](const Slot& s) { return s.asker.stalled; });
  settled_.fetch_add(dropped, Order::relaxed);
  return dropped;
}

PageRequestCounters PageRequests::counters() const {
  const auto get = [](const base::Atomic<std::uint64_t>& n) { return n.load(Order::relaxed); };
  return {get(groups_), get(answered_), get(refused_), get(settled_), get(late_), get(overflowed_), get(unfinished_)};
}

} // namespace sluice::iommu

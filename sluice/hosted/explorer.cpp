#if defined(SLUICE_EXPLORE)

#include <sluice/hosted/explorer.hpp>
#include <sluice/hosted/raw_memory.hpp>

#include <algorithm>
#include <utility>

namespace sluice::hosted {

struct Explorer::Processor {
  ActorId actor{};
  StoreBuffer buffer;
  bool device{false}; // in an access to a register
};

namespace {

constinit thread_local Explorer* this_threads = nullptr;
constinit thread_local void* this_threads_processor = nullptr;

using Kind = History::Kind;

bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

} // namespace

Explorer::Explorer(SeededSchedule& schedule, std::uint64_t seed, Config config)
    : schedule_{schedule}, config_{config}, random_{seed}, history_{config.history} {
  schedule_.set_companion(this);
}

Explorer::~Explorer() { schedule_.set_companion(nullptr); }

Explorer* Explorer::current() { return this_threads; }

Explorer::Processor& Explorer::self() const { return *static_cast<Processor*>(this_threads_processor); }

void Explorer::actor_begins(ActorId actor) {
  auto& processor = processors_[actor];
  processor = std::make_unique<Processor>();
  processor->actor = actor;
  history_.name(actor, schedule_.name_of(actor));
  this_threads = this;
  this_threads_processor = processor.get();
  base::explore::current = this;
}

void Explorer::actor_ends(ActorId actor) {
  if (!schedule_.stuck()) {
    settle();
  }
  base::explore::current = nullptr;
  this_threads = nullptr;
  this_threads_processor = nullptr;
  processors_.erase(actor);
}

std::uint64_t Explorer::load(const void* at, unsigned size, std::memory_order order) {
  step();
  auto& me = self();
  if (me.device) {
    catch_up(me, at, size);
  }
  if (!me.device && order == std::memory_order_seq_cst) {
    while (const auto last = me.buffer.newest_seq_cst()) {
      leave_with_all_before(me, *last);
    }
  }
  const auto* mine = me.device ? nullptr : me.buffer.newest(at, size);
  while (mine != nullptr && (mine->at != at || mine->size != size)) {
    leave_with_all_before(me, mine->serial);
    mine = me.buffer.newest(at, size);
  }
  const auto value = mine != nullptr ? mine->value[0] : read_memory(at, size);
  history_.add({me.actor, Kind::load, at, value, order});
  return value;
}

void Explorer::store(void* at, unsigned size, std::uint64_t value, std::memory_order order) {
  step();
  auto& me = self();
  if (!me.device) {
    push(me.buffer.store(at, size, {value}, order), order);
    return;
  }
  catch_up(me, at, size);
  write_memory(at, size, {value});
  history_.add({me.actor, Kind::reaches_memory, at, value, order});
}

void Explorer::store128(void* at, std::uint64_t low, std::uint64_t high) {
  step();
  push(self().buffer.store(at, 16, {low, high}, std::memory_order_relaxed), std::memory_order_relaxed);
}

void Explorer::push(const StoreBuffer::Entry& entry, std::memory_order order) {
  auto& me = self();
  history_.add({me.actor, Kind::store, entry.at, entry.value[0], order});
  while (me.buffer.size() > config_.buffer_max) {
    leave_with_all_before(me, me.buffer.entries().front().serial);
  }
}

void Explorer::before_update(void* at, unsigned size, std::memory_order order) {
  step();
  auto& me = self();
  if (me.device) {
    catch_up(me, at, size);
  } else {
    if (releases(order)) {
      settle();
    }
    while (const auto fenced = me.buffer.before_last_fence()) {
      leave_with_all_before(me, *fenced);
    }
    while (const auto* mine = me.buffer.newest(at, size)) {
      leave_with_all_before(me, mine->serial);
    }
  }
  history_.add({me.actor, Kind::update, at, 0, order});
}

void Explorer::fence(std::memory_order order) {
  step();
  auto& me = self();
  history_.add({me.actor, Kind::fence, nullptr, 0, order});
  if (me.device) {
    return;
  }
  if (order == std::memory_order_seq_cst) {
    settle();
  } else if (releases(order)) {
    me.buffer.fence();
  }
}

void Explorer::mmio_store(std::function<void()> write) {
  step();
  auto& me = self();
  if (me.device) {
    write();
    return;
  }
  const auto serial = me.buffer.store_to_device(std::move(write)).serial;
  history_.add({me.actor, Kind::mmio_store, nullptr, serial});
  while (me.buffer.size() > config_.buffer_max) {
    leave_with_all_before(me, me.buffer.entries().front().serial);
  }
}

std::uint64_t Explorer::mmio_load(const std::function<std::uint64_t()>& read) {
  step();
  auto& me = self();
  std::uint64_t value = 0;
  if (me.device) {
    return read();
  }
  let_device_writes_leave(me);
  as_device([&] { value = read(); });
  history_.add({me.actor, Kind::mmio_load, nullptr, value});
  return value;
}

void Explorer::as_device(const std::function<void()>& access) {
  auto& me = self();
  const bool before = std::exchange(me.device, true);
  access();
  me.device = before;
}

bool Explorer::is_dma(const void* at) const {
  return std::any_of(dma_.begin(), dma_.end(), [&](const Range& range) {
    return reinterpret_cast<std::uintptr_t>(at) - reinterpret_cast<std::uintptr_t>(range.at) < range.size;
  });
}

// The program of hardware may have run in this thread before without being known as such, when a machine was put
// together. Its own memory has to be as it left it.
void Explorer::catch_up(Processor& processor, const void* at, std::size_t size) {
  if (is_dma(at)) {
    return;
  }
  for (bool more = true; more;) {
    more = false;
    for (const auto& entry : processor.buffer.entries()) {
      if (!entry.device() && entry.touches(at, size)) {
        leave(processor, entry.serial);
        more = true;
        break;
      }
    }
  }
}

// In any order that they may leave in, and others may look on.
void Explorer::settle() {
  auto& me = self();
  while (!me.device && me.buffer.size() != 0) {
    const auto can = me.buffer.free_to_leave(true);
    leave(me, can[random_.below(static_cast<std::uint32_t>(can.size()))]);
    maybe_turn();
  }
}

void Explorer::forget(const void* at, std::size_t size) {
  for (auto& [actor, processor] : processors_) {
    processor->buffer.forget(at, size);
  }
}

// A place where another actor may go on and where stores may reach memory.
void Explorer::step() {
  if (random_.one_in(config_.leave_one_in)) {
    let_some_leave();
  }
  maybe_turn();
}

void Explorer::maybe_turn() {
  if (random_.one_in(config_.switch_one_in)) {
    schedule_.preempt();
  }
}

void Explorer::let_some_leave() {
  while (let_one_leave() && random_.one_in(2)) {
  }
}

// Any store of any processor that nothing holds, or a write of this one to a device, which takes place in its thread.
bool Explorer::let_one_leave() {
  std::vector<std::pair<Processor*, StoreBuffer::Serial>> can;
  auto& me = self();
  for (auto& [actor, processor] : processors_) {
    for (const auto serial : processor->buffer.free_to_leave(processor.get() == &me && !me.device)) {
      can.emplace_back(processor.get(), serial);
    }
  }
  if (can.empty()) {
    return false;
  }
  const auto [processor, serial] = can[random_.below(static_cast<std::uint32_t>(can.size()))];
  leave(*processor, serial);
  return true;
}

void Explorer::leave(Processor& processor, StoreBuffer::Serial serial) {
  const auto entry = processor.buffer.take(serial);
  if (!entry.device()) {
    write_memory(entry.at, entry.size, entry.value);
    history_.add({processor.actor, Kind::reaches_memory, entry.at, entry.value[0]});
    return;
  }
  history_.add({processor.actor, Kind::reaches_device, nullptr, serial});
  as_device(entry.write);
}

// An access to a device may end the turn, and others let stores of this processor leave meanwhile.
void Explorer::leave_with_all_before(Processor& processor, StoreBuffer::Serial serial) {
  while (const auto* entry = processor.buffer.find(serial)) {
    const auto first = processor.buffer.held_by(*entry);
    if (!first) {
      return leave(processor, serial);
    }
    leave_with_all_before(processor, *first);
    maybe_turn();
  }
}

void Explorer::let_device_writes_leave(Processor& processor) {
  while (const auto last = processor.buffer.newest_device()) {
    leave_with_all_before(processor, *last);
  }
}

// What waits in a loop sees the others' stores after a while.
void Explorer::before_relax() {
  if (random_.one_in(2)) {
    let_some_leave();
  }
}

// While an actor is blocked nothing of it can reach a device, so that has to be done before.
void Explorer::before_block() {
  if (auto& me = self(); !me.device) {
    let_device_writes_leave(me);
  }
  before_relax();
}

bool Explorer::nobody_ready() {
  bool any = false;
  for (auto& [actor, processor] : processors_) {
    for (auto serials = processor->buffer.free_to_leave(false); !serials.empty();
         serials = processor->buffer.free_to_leave(false)) {
      leave(*processor, serials.front());
      any = true;
    }
  }
  return any;
}

} // namespace sluice::hosted

#endif

#include <sluice/base/check.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/hosted/epochs.hpp>
#include <sluice/hosted/fatal.hpp>

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>
#include <vector>

namespace sluice::hosted {

// Written by one thread.
struct alignas(64) Epochs::Slot {
  base::Atomic<std::uint64_t> epoch{0}; // in which the reader entered; 0: not inside
  std::uint32_t depth{0};
  base::Atomic<std::uint32_t> taken{1}; // by a thread that lives
  Slot* next{};
};

struct Epochs::Slots {
  base::Atomic<Slot*> first{nullptr};
  base::Atomic<std::uint32_t> over{0}; // whose slots they were is gone

  Slots() = default;
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;
  ~Slots() {
    for (Slot* s = first.load(); s != nullptr;) {
      delete std::exchange(s, s->next);
    }
  }

  // One that a finished thread has left, else a new one.
  Slot& take() {
    for (Slot* s = first.load(base::Order::acquire); s != nullptr; s = s->next) {
      std::uint32_t left = 0;
      if (s->taken.load(base::Order::relaxed) == 0 && s->taken.compare_exchange(left, 1, base::Order::acquire)) {
        return *s;
      }
    }
    auto* fresh = new Slot;
    fresh->next = first.load(base::Order::relaxed);
    while (!first.compare_exchange(fresh->next, fresh, base::Order::release)) {
    }
    return *fresh;
  }
};

namespace {

constexpr std::uint32_t batch = 64; // retired objects that are worth a look at all readers

// A thread's slots, given back when it ends.
struct Mine {
  std::uint64_t id;
  std::shared_ptr<Epochs::Slots> slots;
  Epochs::Slot* slot;
};

struct AllMine {
  std::vector<Mine> list;

  AllMine() = default;
  AllMine(const AllMine&) = delete;
  AllMine& operator=(const AllMine&) = delete;
  ~AllMine() { give_back(); }

  void give_back() {
    for (auto& mine : list) {
      mine.slot->taken.store(0, base::Order::release);
    }
    list.clear();
  }

  Epochs::Slot* find(std::uint64_t id, const std::shared_ptr<Epochs::Slots>& slots) {
    std::erase_if(list, [](const Mine& mine) { return mine.slots->over.load(base::Order::relaxed) != 0; });
    for (auto& mine : list) {
      if (mine.id == id) {
        return mine.slot;
      }
    }
    list.push_back({id, slots, &slots->take()});
    return list.back().slot;
  }
};

thread_local AllMine all_mine;

struct Last {
  std::uint64_t id;
  Epochs::Slot* slot;
};
constinit thread_local Last last{0, nullptr};

std::uint64_t new_id() {
  static std::atomic<std::uint64_t> ids{0};
  return ++ids;
}

// Whether free_some() can make every running thread fence. The explore build's threads fence only where they say so.
bool can_fence_others() {
#if defined(SLUICE_EXPLORE)
  return false;
#else
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#endif
}

} // namespace

Epochs::Epochs(Schedule& schedule)
    : schedule_{schedule}, id_{new_id()}, readers_fence_{!can_fence_others()}, slots_{std::make_shared<Slots>()} {}

Epochs::~Epochs() {
  reclaim();
  slots_->over.store(1, base::Order::relaxed);
}

void Epochs::leave_thread() {
  last = {};
  all_mine.give_back();
}

Epochs::Slot& Epochs::slot() {
  if (last.id != id_) [[unlikely]] {
    last = {id_, all_mine.find(id_, slots_)};
  }
  return *last.slot;
}

void Epochs::enter() {
  auto& mine = slot();
  if (mine.depth++ != 0) {
    return;
  }
  // Release: a scan that finds this section in place of the one before has seen that one end.
  mine.epoch.store(epoch_.load(base::Order::acquire), base::Order::release);
  // Published before anything is read inside, so that a scan that misses this reader began before it.
  if (readers_fence_) {
    base::full_fence();
  } else {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
}

void Epochs::exit() {
  auto& mine = slot();
  base::check(mine.depth != 0);
  if (--mine.depth == 0) {
    mine.epoch.store(0, base::Order::release);
  }
}

// The caller has unlinked the object. A reader that still finds it has read an epoch no later than the one read here.
void Epochs::retire(platform::Retired& object) {
  base::full_fence();
  object.epoch = epoch_.load(base::Order::acquire);
  push(object, object);
  if (retired_count_.fetch_add(1, base::Order::relaxed) + 1 >= batch && try_begin_scan()) {
    free_some();
    scanning_.store(0, base::Order::release);
  }
}

void Epochs::reclaim() {
  base::check(slot().depth == 0);
  const Wait my_turn{"retired objects to be free to look at", &scanning_, [](const void* at) {
                       return __atomic_load_n(static_cast<const std::uint32_t*>(at), __ATOMIC_RELAXED) == 0;
                     }};
  while (!try_begin_scan()) {
    schedule_.block(my_turn);
  }
  // Also where nothing is retired the caller may rely on the readers being gone: one more object, which is nobody's.
  platform::Retired nobodys;
  nobodys.free = [](platform::Retired&) {};
  base::full_fence();
  nobodys.epoch = epoch_.load(base::Order::acquire);
  push(nobodys, nobodys);
  retired_count_.fetch_add(1, base::Order::relaxed);
  const auto limit = schedule_.now_ns() + 60'000'000'000;
  for (free_some(); retired_.load(base::Order::acquire) != nullptr; free_some()) {
    if (schedule_.now_ns() > limit) {
      fatal("a read section has not ended for a minute; reclaim() waits for it");
    }
    schedule_.relax();
  }
  scanning_.store(0, base::Order::release);
}

void Epochs::push(platform::Retired& first, platform::Retired& last_of_them) {
  platform::Retired* head = retired_.load(base::Order::relaxed);
  do {
    last_of_them.next = head;
  } while (!retired_.compare_exchange(head, &first, base::Order::release));
}

bool Epochs::try_begin_scan() {
  std::uint32_t idle = 0;
  return scanning_.load(base::Order::relaxed) == 0 && scanning_.compare_exchange(idle, 1, base::Order::acquire);
}

std::uint64_t Epochs::oldest_reader() {
  auto oldest = std::numeric_limits<std::uint64_t>::max();
  for (const Slot* s = slots_->first.load(base::Order::acquire); s != nullptr; s = s->next) {
    const auto entered = s->epoch.load(base::Order::acquire);
    oldest = entered != 0 ? std::min(oldest, entered) : oldest;
  }
  return oldest;
}

// Takes the list first: whoever looks at the readers afterwards sees each that could have found one of its objects.
void Epochs::free_some() {
  platform::Retired* todo = retired_.exchange(nullptr, base::Order::acq_rel);
  if (todo == nullptr) {
    return;
  }
  epoch_.fetch_add(1); // readers from now on do not hold up what was retired before
  if (readers_fence_) {
    base::full_fence();
  } else {
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  }
  const auto oldest = oldest_reader();
  platform::Retired* kept = nullptr;
  platform::Retired* last_kept = nullptr;
  std::uint32_t freed = 0;
  while (todo != nullptr) {
    platform::Retired& object = *std::exchange(todo, todo->next);
    if (object.epoch < oldest) {
      object.free(object); // may retire more
      ++freed;
    } else {
      object.next = std::exchange(kept, &object);
      last_kept = last_kept == nullptr ? &object : last_kept;
    }
  }
  retired_count_.fetch_sub(freed, base::Order::relaxed);
  if (kept != nullptr) {
    push(*kept, *last_kept);
  }
}

} // namespace sluice::hosted

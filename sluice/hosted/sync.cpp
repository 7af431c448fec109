#include <sluice/hosted/fatal.hpp>
#include <sluice/hosted/sync.hpp>

#include <string>

namespace sluice::hosted {

namespace {

// A schedule looks at a lock from outside of it, where base::Atomic would wait for the schedule.
std::uint32_t peek(const void* state) {
  return __atomic_load_n(static_cast<const std::uint32_t*>(state), __ATOMIC_RELAXED);
}

} // namespace

void Sync::acquire(State& state, const char* what) {
  const auto mine = thread_number();
  const Wait wait{what, &state, [](const void* at) { return peek(at) == 0; }, peek};
  std::uint32_t holder = 0;
  while (!state.compare_exchange(holder, mine, base::Order::acquire)) {
    if (holder == mine) {
      fatal("a thread waits for a " + std::string{what} + " that it holds itself");
    }
    schedule_.block(wait);
    holder = 0;
  }
}

void Sync::release(State& state) {
  if (state.load(base::Order::relaxed) != thread_number()) {
    fatal("a lock is unlocked by a thread that does not hold it");
  }
  state.store(0, base::Order::release);
}

} // namespace sluice::hosted

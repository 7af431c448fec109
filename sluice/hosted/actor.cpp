#include <sluice/hosted/actor.hpp>

namespace sluice::hosted {

std::uint32_t thread_number() {
  static std::atomic<std::uint32_t> last{0};
  thread_local const std::uint32_t mine = ++last;
  return mine;
}

void Signal::set() {
  {
    const std::lock_guard guard{mutex_};
    set_ = true;
  }
  changed_.notify_one();
}

bool Signal::wait(const std::stop_token& stop) {
  struct Either {
    const std::atomic<bool>& set;
    const std::stop_token& stop;
  };
  if (schedule_.seeded()) {
    const Either either{set_, stop};
    const Wait wait{"signal", &either,
                    [](const void* object) {
                      const auto& e = *static_cast<const Either*>(object);
                      return e.set.load() || e.stop.stop_requested();
                    },
                    nullptr, true};
    while (!wait.ready(wait.object)) {
      schedule_.block(wait);
    }
    return set_.exchange(false);
  }
  std::unique_lock lock{mutex_};
  changed_.wait(lock, stop, [&] { return set_.load(); });
  return set_.exchange(false);
}

bool Signal::wait_for(const std::stop_token& stop, std::chrono::nanoseconds at_most) {
  if (schedule_.seeded()) {
    schedule_.relax(); // whose time is not the system's
  } else {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, stop, at_most, [&] { return set_.load(); });
  }
  set_ = false;
  return !stop.stop_requested();
}

} // namespace sluice::hosted

#include <sluice/hosted/fatal.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/signals.hpp>

#include <sched.h>

#include <algorithm>
#include <vector>

namespace sluice::hosted {

FreeSchedule::~FreeSchedule() {
  std::vector<ActorId> left;
  {
    const std::lock_guard guard{mutex_};
    for (auto& [id, actor] : actors_) {
      actor.thread.request_stop();
      left.push_back(id);
    }
  }
  for (const auto id : left) {
    join(id);
  }
}

ActorId FreeSchedule::start(std::string name, Body body) {
  const std::lock_guard guard{mutex_};
  const ActorId id = ++last_;
  auto& actor = actors_[id];
  actor.name = std::move(name);
  const SignalsBlocked blocked;
  actor.thread = std::jthread{[this, id, run = std::move(body)](const std::stop_token& stop) {
    {
      const std::lock_guard naming{mutex_};
      actors_.at(id).number = thread_number();
    }
    run(stop);
    {
      const std::lock_guard ending{mutex_};
      actors_.at(id).ended = true;
    }
    some_ended_.notify_all();
  }};
  return id;
}

void FreeSchedule::request_stop(ActorId actor) {
  const std::lock_guard guard{mutex_};
  if (const auto found = actors_.find(actor); found != actors_.end()) {
    found->second.thread.request_stop();
  }
}

bool FreeSchedule::join(ActorId actor) {
  using Clock = std::chrono::system_clock;
  std::unique_lock lock{mutex_};
  const auto found = actors_.find(actor);
  if (found == actors_.end()) {
    return true;
  }
  auto& a = found->second;
  const auto limit = std::chrono::duration_cast<Clock::duration>(config_.block_limit);
  Clock::time_point told{};
  while (!a.ended) {
    some_ended_.wait_until(lock, Clock::now() + std::min<Clock::duration>(limit, std::chrono::milliseconds{100}));
    const bool stopping = a.thread.get_stop_source().stop_requested();
    told = stopping && told == Clock::time_point{} ? Clock::now() : told;
    if (stopping && !a.ended && Clock::now() - told > limit) {
      lock.unlock();
      fatal(a.name + " was told to stop and does not");
    }
  }
  auto thread = std::move(a.thread);
  actors_.erase(found);
  lock.unlock();
  thread.join();
  return true;
}

std::uint64_t FreeSchedule::now_ns() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::nanoseconds{since_start}.count());
}

// What is awaited often comes from another processor within the microsecond, but with more threads than processors it
// may need this one.
void FreeSchedule::relax() {
  thread_local unsigned turns = 0;
  if (++turns % 64 == 0) {
    sched_yield();
    return;
  }
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

void FreeSchedule::block(const Wait& wait) {
  const auto limit = static_cast<std::uint64_t>(config_.block_limit.count());
  std::uint64_t since = 0;
  for (unsigned turn = 1; !wait.ready(wait.object); ++turn) {
    relax();
    if (turn % 256 == 0) {
      const auto now = now_ns();
      since = since == 0 ? now : since;
      if (now - since > limit) {
        const auto holder = wait.holder != nullptr ? wait.holder(wait.object) : 0;
        fatal(name_of(thread_number()) + " has waited too long for a " + wait.what +
              (holder != 0 ? " that " + name_of(holder) + " holds" : ""));
      }
    }
  }
}

std::string FreeSchedule::name_of(std::uint32_t number) {
  const std::lock_guard guard{mutex_};
  for (const auto& [id, actor] : actors_) {
    if (actor.number == number) {
      return actor.name;
    }
  }
  return "thread " + std::to_string(number);
}

} // namespace sluice::hosted

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

namespace sluice::hosted {

// This thread's number in the process: never 0, never used twice.
std::uint32_t thread_number();

using ActorId = std::uint32_t;
// Runs until it is told to stop or has nothing left to do. Calls relax() in each turn of a wait.
using Body = std::function<void(std::stop_token)>;

// What a thread cannot go on without. The functions look at the object and change nothing; they run in any thread and
// beneath base::Atomic, since a schedule cannot wait for itself.
struct Wait {
  const char* what{};
  const void* object{};
  bool (*ready)(const void* object){};
  std::uint32_t (*holder)(const void* object){}; // thread_number() of who has it, 0: nobody; may be absent
  bool may_last{false};                          // longer than any bound, as a wait for the next interrupt may
};

// Who runs when. Free threads run as the system likes; a seeded schedule runs one at a time, in an order that repeats.
// The thread that makes a schedule is its first actor.
class Schedule {
public:
  Schedule() = default;
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;
  virtual ~Schedule() = default;

  virtual ActorId start(std::string name, Body body) = 0;
  virtual void request_stop(ActorId actor) = 0;
  // Until the body has returned. False: the run was given up as stuck.
  virtual bool join(ActorId actor) = 0;
  bool finish(ActorId actor) {
    request_stop(actor);
    return join(actor);
  }

  virtual std::uint64_t now_ns() = 0;
  // One turn of a wait, whatever for.
  virtual void relax() = 0;
  // Until wait.ready(), or sooner. A wait beyond the bound of the schedule ends the run as stuck.
  virtual void block(const Wait& wait) = 0;
  // Whether actors take turns, so that blocking in the system instead of in block() would stop them all.
  virtual bool seeded() const = 0;
};

// Set by one, waited for by another; several set()s before a wait are one.
class Signal {
public:
  explicit Signal(Schedule& schedule) : schedule_{schedule} {}

  void set();
  // True when it was set, which it is no longer; false when the actor is to stop.
  bool wait(const std::stop_token& stop);
  // The same for an actor that looks about from time to time, whether it was set or not: sooner, if it was. False when
  // the actor is to stop.
  bool wait_for(const std::stop_token& stop, std::chrono::nanoseconds at_most);

private:
  Schedule& schedule_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::atomic<bool> set_{false};
};

} // namespace sluice::hosted

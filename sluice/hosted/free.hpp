#pragma once

#include <sluice/hosted/actor.hpp>

#include <chrono>
#include <map>
#include <thread>

namespace sluice::hosted {

// Each actor a thread, in real time, in which all signals are blocked.
class FreeSchedule final : public Schedule {
public:
  struct Config {
    // A longer wait, for a lock or for the end of an actor that was told to stop, ends the process.
    std::chrono::nanoseconds block_limit{std::chrono::seconds{60}};
  };

  FreeSchedule() = default;
  explicit FreeSchedule(Config config) : config_{config} {}
  ~FreeSchedule() override;

  ActorId start(std::string name, Body body) override;
  void request_stop(ActorId actor) override;
  bool join(ActorId actor) override;
  std::uint64_t now_ns() override;
  void relax() override;
  void block(const Wait& wait) override;
  bool seeded() const override { return false; }

private:
  struct Actor {
    std::string name;
    std::jthread thread;
    std::uint32_t number{}; // thread_number()
    bool ended{false};
  };

  std::string name_of(std::uint32_t number);

  Config config_{};
  std::mutex mutex_; // of what follows
  std::condition_variable some_ended_;
  std::map<ActorId, Actor> actors_;
  ActorId last_{0};
};

} // namespace sluice::hosted

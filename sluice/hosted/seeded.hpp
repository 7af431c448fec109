#pragma once

#include <sluice/hosted/actor.hpp>
#include <sluice/hosted/random.hpp>

#include <memory>
#include <thread>
#include <vector>

namespace sluice::hosted {

// One actor runs at a time. At each relax(), and while it is blocked, it passes a baton to one that can go on, drawn by
// a generator of our own; so a run depends on its seed and on nothing else. Time is virtual: each turn takes some.
//
// An actor is a thread, so that thread_local data are its own and a debugger shows its stack. Handing the baton over
// wakes one futex and sleeps on another: 2.5 us measured, on one processor or between two; an actor drawn again costs
// 15 ns.
class SeededSchedule final : public Schedule {
public:
  // Takes part in the turns: the explorer of store buffers. Called by the actor that has the baton.
  class Companion {
  public:
    virtual void actor_begins(ActorId actor) = 0;
    virtual void actor_ends(ActorId actor) = 0;
    // The running actor starts another, which sees all that it did before.
    virtual void before_start() = 0;
    virtual void before_relax() = 0;
    virtual void before_block() = 0;
    // Nobody can go on. True: what others wait for may have changed.
    virtual bool nobody_ready() = 0;

  protected:
    ~Companion() = default;
  };

  struct Config {
    std::uint64_t seed{1};
    std::uint64_t turn_ns{1000};                  // that relax() takes
    std::uint64_t preempt_ns{10};                 // that preempt() takes
    std::uint64_t block_limit_ns{10'000'000'000}; // longest wait for a lock
    std::uint64_t turns_max{1'000'000'000};       // of the whole run
    std::size_t trace{0};                         // how many turns to remember
    // Told when nobody can go on or a bound was passed; by default ends the process. If it returns, the first actor's
    // join() gives false and the others never run again: their threads and what they refer to are left as they are.
    std::function<void(const std::string& report)> on_stuck{};
  };

  static constexpr ActorId first_actor = 0;

  explicit SeededSchedule(Config config);
  ~SeededSchedule() override;

  ActorId start(std::string name, Body body) override;
  void request_stop(ActorId actor) override;
  bool join(ActorId actor) override;
  std::uint64_t now_ns() override { return now_ns_; }
  void relax() override;
  void block(const Wait& wait) override;
  bool seeded() const override { return true; }

  // A turn in the middle of something, as a system that takes the processor away. Not told to the companion.
  void preempt();

  // Before other actors are started. The first actor begins at once.
  void set_companion(Companion* companion);

  ActorId running() const;
  std::string name_of(ActorId actor) const;
  bool stuck() const { return stuck_; }
  std::uint64_t turns() const { return turns_; }
  // Of all choices so far: two runs with the same value went the same way.
  std::uint64_t fingerprint() const { return fingerprint_; }
  // The actors of the first Config::trace turns.
  const std::vector<ActorId>& trace() const { return trace_; }

private:
  struct Actor;

  Actor& self();
  Actor* find(ActorId id) const;
  void run(Actor& actor, const Body& body);
  void pass(Actor& from, std::uint64_t takes_ns);
  Actor* next();
  Actor* choose();
  bool overdue(const Actor& actor) const;
  void note(const Actor& actor);
  Actor* give_up(const std::string& why);
  std::string report(const std::string& why) const;
  std::string holder_of(const Wait& wait) const;

  const Config config_;
  const std::thread::id first_thread_;
  // What follows belongs to the actor that has the baton.
  Companion* companion_{};
  Random random_;
  std::vector<std::unique_ptr<Actor>> actors_; // in the order they were started
  std::vector<Actor*> ready_;
  Actor* running_{};
  ActorId last_id_{first_actor};
  std::uint64_t now_ns_{1};
  std::uint64_t turns_{0};
  std::uint64_t fingerprint_{0xcbf29ce484222325};
  std::vector<ActorId> trace_;
  bool stuck_{false};
};

} // namespace sluice::hosted

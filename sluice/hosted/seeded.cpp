#include <sluice/hosted/epochs.hpp>
#include <sluice/hosted/fatal.hpp>
#include <sluice/hosted/seeded.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace sluice::hosted {

namespace {

// The baton of one actor, one waiter and one giver at a time. A std::atomic, since base::Atomic is what a schedule
// carries in the explore build.
class Baton {
public:
  void give() {
    here_.store(1, std::memory_order_release);
    syscall(SYS_futex, &here_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  void await() {
    while (here_.load(std::memory_order_acquire) == 0) {
      syscall(SYS_futex, &here_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
    }
    here_.store(0, std::memory_order_relaxed);
  }

private:
  std::atomic<std::uint32_t> here_{0};
};

} // namespace

struct SeededSchedule::Actor {
  ActorId id{};
  std::string name;
  Baton baton;
  std::thread thread;
  std::stop_source stop;
  const Wait* wait{};
  std::uint64_t blocked_since_ns{};
  std::uint64_t turns{};
  std::uint32_t number{}; // thread_number()
  bool finished{false};
};

namespace {
// The actor that this thread was started as.
struct Here {
  const SeededSchedule* schedule;
  void* actor;
};
constinit thread_local Here here{nullptr, nullptr};
} // namespace

SeededSchedule::SeededSchedule(Config config)
    : config_{std::move(config)}, first_thread_{std::this_thread::get_id()}, random_{config_.seed} {
  auto first = std::make_unique<Actor>();
  first->id = first_actor;
  first->name = "main";
  first->number = thread_number();
  running_ = first.get();
  actors_.push_back(std::move(first));
  trace_.reserve(config_.trace);
}

SeededSchedule::~SeededSchedule() {
  for (const auto& actor : actors_) {
    actor->stop.request_stop();
  }
  while (!stuck_ && actors_.size() > 1) {
    join(actors_.back()->id);
  }
  set_companion(nullptr);
  for (auto& actor : actors_) {
    if (actor->thread.joinable()) { // asleep for ever
      actor->thread.detach();
      static_cast<void>(actor.release());
    }
  }
}

void SeededSchedule::set_companion(Companion* companion) {
  if (companion_ != nullptr) {
    companion_->actor_ends(first_actor);
  }
  companion_ = companion;
  if (companion_ != nullptr) {
    companion_->actor_begins(first_actor);
  }
}

ActorId SeededSchedule::start(std::string name, Body body) {
  self();
  if (companion_ != nullptr) {
    companion_->before_start();
  }
  auto made = std::make_unique<Actor>();
  auto& actor = *made;
  actor.id = ++last_id_;
  actor.name = std::move(name);
  actor.thread = std::thread{[this, &actor, todo = std::move(body)] { run(actor, todo); }};
  actors_.push_back(std::move(made));
  return actor.id;
}

void SeededSchedule::run(Actor& actor, const Body& body) {
  actor.baton.await();
  here = {this, &actor};
  actor.number = thread_number();
  if (companion_ != nullptr) {
    companion_->actor_begins(actor.id);
  }
  body(actor.stop.get_token());
  Epochs::leave_thread(); // now and not when the thread ends, while another actor runs
  if (companion_ != nullptr) {
    companion_->actor_ends(actor.id);
  }
  actor.finished = true;
  next()->baton.give();
}

void SeededSchedule::request_stop(ActorId actor) {
  if (auto* found = find(actor)) {
    found->stop.request_stop();
  }
}

bool SeededSchedule::join(ActorId actor) {
  auto* found = find(actor);
  if (found == nullptr) {
    return true;
  }
  if (found == &self()) {
    fatal("the actor " + found->name + " waits for its own end");
  }
  const Wait wait{"end of an actor", found, [](const void* a) { return static_cast<const Actor*>(a)->finished; },
                  [](const void* a) { return static_cast<const Actor*>(a)->number; }, true};
  while (!found->finished) {
    if (stuck_) {
      return false;
    }
    block(wait);
  }
  found->thread.join();
  std::erase_if(actors_, [&](const auto& a) { return a.get() == found; });
  return true;
}

void SeededSchedule::relax() {
  auto& actor = self();
  if (companion_ != nullptr) {
    companion_->before_relax();
  }
  pass(actor, config_.turn_ns);
}

void SeededSchedule::preempt() { pass(self(), config_.preempt_ns); }

void SeededSchedule::block(const Wait& wait) {
  auto& actor = self();
  if (companion_ != nullptr) {
    companion_->before_block();
  }
  actor.wait = &wait;
  actor.blocked_since_ns = now_ns_;
  pass(actor, config_.turn_ns);
  actor.wait = nullptr;
}

SeededSchedule::Actor& SeededSchedule::self() {
  Actor* actor = here.schedule == this                         ? static_cast<Actor*>(here.actor)
                 : std::this_thread::get_id() == first_thread_ ? actors_.front().get()
                                                               : nullptr;
  if (actor == nullptr || actor != running_) {
    fatal("a thread that is not the running actor takes part in a seeded schedule");
  }
  return *actor;
}

SeededSchedule::Actor* SeededSchedule::find(ActorId id) const {
  const auto found = std::find_if(actors_.begin(), actors_.end(), [&](const auto& a) { return a->id == id; });
  return found == actors_.end() ? nullptr : found->get();
}

ActorId SeededSchedule::running() const { return running_->id; }

std::string SeededSchedule::name_of(ActorId actor) const {
  const auto* found = find(actor);
  return found != nullptr ? found->name : "actor " + std::to_string(actor);
}

void SeededSchedule::pass(Actor& from, std::uint64_t takes_ns) {
  now_ns_ += takes_ns;
  if (stuck_) {
    if (from.wait != nullptr && !from.wait->may_last) {
      fatal(from.name + " waits for a " + from.wait->what + " after its run was given up");
    }
    return;
  }
  auto* to = next();
  if (to != &from) {
    to->baton.give();
    from.baton.await();
  }
}

SeededSchedule::Actor* SeededSchedule::next() {
  Actor* to = turns_ < config_.turns_max ? choose() : give_up("the run takes more turns than it may");
  if (to == nullptr && companion_ != nullptr && companion_->nobody_ready()) {
    to = choose();
  }
  if (to == nullptr) {
    to = give_up("deadlock: nobody can go on");
  }
  note(*to);
  running_ = to;
  return to;
}

SeededSchedule::Actor* SeededSchedule::choose() {
  ready_.clear();
  for (const auto& actor : actors_) {
    if (actor->finished) {
      continue;
    }
    if (actor->wait == nullptr || actor->wait->ready(actor->wait->object)) {
      ready_.push_back(actor.get());
    } else if (overdue(*actor)) {
      return give_up(actor->name + " has waited too long for a " + actor->wait->what);
    }
  }
  return ready_.empty() ? nullptr : ready_[random_.below(static_cast<std::uint32_t>(ready_.size()))];
}

bool SeededSchedule::overdue(const Actor& actor) const {
  return !actor.wait->may_last && now_ns_ - actor.blocked_since_ns > config_.block_limit_ns;
}

void SeededSchedule::note(const Actor& actor) {
  ++turns_;
  fingerprint_ = (fingerprint_ ^ actor.id) * 0x100000001b3;
  if (trace_.size() < config_.trace) {
    trace_.push_back(actor.id);
  }
}

SeededSchedule::Actor* SeededSchedule::give_up(const std::string& why) {
  const auto text = report(why);
  if (!config_.on_stuck) {
    fatal(text);
  }
  stuck_ = true;
  config_.on_stuck(text);
  return actors_.front().get();
}

std::string SeededSchedule::report(const std::string& why) const {
  std::string text = why + " (seed " + std::to_string(config_.seed) + ", " + std::to_string(turns_) + " turns, " +
                     std::to_string(now_ns_) + " ns)";
  for (const auto& actor : actors_) {
    text += "\n  " + actor->name + ": ";
    if (actor->finished) {
      text += "finished";
    } else if (actor->wait != nullptr) {
      text += std::string{"waits for a "} + actor->wait->what + holder_of(*actor->wait);
    } else {
      text += "runs";
    }
  }
  return text;
}

std::string SeededSchedule::holder_of(const Wait& wait) const {
  const auto number = wait.holder != nullptr ? wait.holder(wait.object) : 0;
  const auto found = std::find_if(actors_.begin(), actors_.end(), [&](const auto& a) { return a->number == number; });
  return number == 0 || found == actors_.end() ? "" : " of " + (*found)->name;
}

} // namespace sluice::hosted

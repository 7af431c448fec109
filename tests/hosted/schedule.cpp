#include <sluice/hosted/bounded.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/seeded.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>

#include <gtest/gtest.h>

namespace sluice::hosted {
namespace {

using Config = SeededSchedule::Config;

void spin(SeededSchedule& schedule, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    schedule.relax();
  }
}

std::vector<ActorId> trace_of(std::uint64_t seed) {
  SeededSchedule schedule{{.seed = seed, .trace = 10000}};
  for (int i = 0; i < 4; ++i) {
    schedule.start("a", [&](const std::stop_token& stop) { spin(schedule, stop); });
  }
  while (schedule.turns() < 10000) {
    schedule.relax();
  }
  return schedule.trace();
}

TEST(SeededThreads, TenThousandTurnsRepeatForOneSeedAndDifferForAnother) {
  const auto once = trace_of(1);
  EXPECT_EQ(once.size(), 10000U);
  EXPECT_EQ(once, trace_of(1));
  EXPECT_NE(once, trace_of(2));
}

TEST(SeededThreads, EachActorGetsItsShare) {
  std::map<ActorId, int> share;
  for (const auto actor : trace_of(3)) {
    ++share[actor];
  }
  ASSERT_EQ(share.size(), 5U);
  for (const auto& [actor, turns] : share) {
    EXPECT_NEAR(turns, 2000, 200) << actor;
  }
}

TEST(SeededThreads, OneActorRunsAtATime) {
  SeededSchedule schedule{{}};
  int running = 0; // TSan would see it if two ran at once
  int most = 0;
  for (int i = 0; i < 3; ++i) {
    schedule.start("a", [&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        most = std::max(most, ++running);
        --running;
        schedule.relax();
      }
    });
  }
  for (int i = 0; i < 1000; ++i) {
    schedule.relax();
  }
  EXPECT_EQ(most, 1);
}

TEST(SeededThreads, AFingerprintStandsForTheWholeRun) {
  const auto run = [](std::uint64_t seed) {
    SeededSchedule schedule{{.seed = seed}};
    for (int n = 0; n < 2; ++n) {
      schedule.start("a", [&](const std::stop_token& stop) { spin(schedule, stop); });
    }
    for (int i = 0; i < 100; ++i) {
      schedule.relax();
    }
    return schedule.fingerprint();
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(SeededThreads, TimeIsVirtualAndAdvancesWithTurns) {
  SeededSchedule schedule{{.turn_ns = 500}};
  const auto start = schedule.now_ns();
  EXPECT_EQ(schedule.now_ns(), start);
  schedule.relax();
  EXPECT_EQ(schedule.now_ns(), start + 500);
}

TEST(SeededThreads, AWaitThatRunsOutTakesItsTimeToTheTurn) {
  SeededSchedule schedule{{.turn_ns = 1000}};
  Time time{schedule};
  EXPECT_FALSE(platform::wait_until(time, 1000, [] { return false; }));
  EXPECT_EQ(schedule.turns(), 1000U);
}

TEST(SeededThreads, AnActorSeesThatItIsToStop) {
  SeededSchedule schedule{{}};
  bool ended = false;
  const auto actor = schedule.start("a", [&](const std::stop_token& stop) {
    spin(schedule, stop);
    ended = true;
  });
  schedule.relax();
  EXPECT_TRUE(schedule.finish(actor));
  EXPECT_TRUE(ended);
}

TEST(SeededThreads, TheEndOfAScheduleStopsAllActors) {
  int ended = 0;
  {
    SeededSchedule schedule{{}};
    Signal never{schedule};
    for (int i = 0; i < 3; ++i) {
      schedule.start("a", [&](const std::stop_token& stop) {
        EXPECT_FALSE(never.wait(stop));
        ++ended;
      });
    }
    EXPECT_TRUE(schedule.finish(2));
    EXPECT_EQ(ended, 1);
    schedule.finish(1);
    schedule.finish(3);
  }
  EXPECT_EQ(ended, 3);
}

TEST(SeededThreads, ActorsMayStartActors) {
  SeededSchedule schedule{{}};
  int sum = 0;
  const auto outer = schedule.start("outer", [&](const std::stop_token&) {
    const auto inner = schedule.start("inner", [&](const std::stop_token&) { sum += 1; });
    schedule.join(inner);
    sum += 10;
  });
  schedule.join(outer);
  EXPECT_EQ(sum, 11);
}

TEST(SeededThreads, AnActorThatWaitsForASignalTakesNoTurns) {
  SeededSchedule schedule{{.trace = 1000}};
  Signal signal{schedule};
  int woken = 0;
  const auto actor = schedule.start("a", [&](const std::stop_token& stop) {
    while (signal.wait(stop)) {
      ++woken;
    }
  });
  for (int i = 0; i < 50; ++i) { // by then it has begun to wait
    schedule.relax();
  }
  for (int i = 0; i < 50; ++i) {
    schedule.relax();
    EXPECT_EQ(schedule.trace().back(), SeededSchedule::first_actor);
  }
  signal.set();
  for (int i = 0; i < 50 && woken == 0; ++i) {
    schedule.relax();
  }
  EXPECT_EQ(woken, 1);
  schedule.finish(actor);
}

TEST(SeededThreads, LocksAreWaitedForInTheSeededOrder) {
  const auto run = [](std::uint64_t seed) {
    SeededSchedule schedule{{.seed = seed}};
    Sync sync{schedule};
    platform::Mutex mutex;
    std::string order;
    std::vector<ActorId> actors;
    for (char c = 'a'; c < 'e'; ++c) {
      actors.push_back(schedule.start("a", [&, c](const std::stop_token&) {
        for (int i = 0; i < 5; ++i) {
          const platform::MutexGuard guard{sync, mutex};
          order += c;
          schedule.relax();
          order += c;
        }
      }));
    }
    for (const auto actor : actors) {
      schedule.join(actor);
    }
    return order;
  };
  const auto order = run(5);
  EXPECT_EQ(order.size(), 40U);
  for (std::size_t i = 0; i < order.size(); i += 2) {
    EXPECT_EQ(order[i], order[i + 1]) << order;
  }
  EXPECT_EQ(order, run(5));
  EXPECT_NE(order, run(6));
}

// Two actors that each hold what the other waits for.
void embrace(SeededSchedule& schedule) {
  Sync sync{schedule};
  platform::Mutex a;
  platform::Mutex b;
  const auto take = [&](platform::Mutex& first, platform::Mutex& second) {
    sync.lock(first);
    for (int i = 0; i < 20; ++i) {
      schedule.relax();
    }
    sync.lock(second);
  };
  const auto left = schedule.start("left", [&](const std::stop_token&) { take(a, b); });
  schedule.start("right", [&](const std::stop_token&) { take(b, a); });
  schedule.join(left);
}

TEST(SeededDeathTest, ADeadlockNamesTheActorsAndWhatTheyWaitFor) {
  EXPECT_DEATH(
      {
        SeededSchedule schedule{{.seed = 9}};
        embrace(schedule);
      },
      "deadlock: nobody can go on \\(seed 9.*\n.*main: waits for a end of an actor of left"
      "\n.*left: waits for a mutex of right\n.*right: waits for a mutex of left");
}

TEST(SeededDeathTest, ALockThatIsNeverGivenBackIsAnErrorThoughOthersRun) {
  EXPECT_DEATH(
      {
        SeededSchedule schedule{{.block_limit_ns = 1'000'000}};
        Sync sync{schedule};
        platform::SpinLock lock;
        const auto state = sync.lock(lock);
        schedule.start("patient", [&](const std::stop_token&) { sync.unlock(lock, sync.lock(lock)); });
        for (int i = 0; i < 100000; ++i) {
          schedule.relax();
        }
        sync.unlock(lock, state);
      },
      "patient has waited too long for a spin lock");
}

TEST(SeededDeathTest, ARunHasABound) {
  EXPECT_DEATH(
      {
        SeededSchedule schedule{{.turns_max = 1000}};
        for (;;) {
          schedule.relax();
        }
      },
      "more turns than it may");
}

TEST(SeededDeathTest, AThreadThatIsNoActorMayNotTakePart) {
  EXPECT_DEATH(
      {
        SeededSchedule schedule{{}};
        std::thread{[&] { schedule.relax(); }}.join();
      },
      "not the running actor");
}

TEST(SeededThreads, AStuckRunCanBeReportedAndLeft) {
  static std::string told; // outlives the threads that stay behind
  auto* schedule = new SeededSchedule{{.on_stuck = [](const std::string& report) { told = report; }}};
  static platform::Mutex mutex;
  auto* sync = new Sync{*schedule};
  const auto actor = schedule->start("sleeper", [=](const std::stop_token&) {
    sync->lock(mutex);
    Signal never{*schedule};
    static_cast<void>(never.wait({}));
  });
  EXPECT_FALSE(schedule->join(actor));
  EXPECT_NE(told.find("sleeper: waits for a signal"), std::string::npos) << told;
  EXPECT_TRUE(schedule->stuck());
}

TEST(FreeThreads, ActorsRunAndAreToldToStop) {
  FreeSchedule schedule;
  std::atomic<int> turns{0};
  const auto actor = schedule.start("a", [&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      ++turns;
      schedule.relax();
    }
  });
  Time time{schedule};
  EXPECT_TRUE(platform::wait_until(time, 10'000'000, [&] { return turns > 10; }));
  EXPECT_TRUE(schedule.finish(actor));
  const int at_end = turns;
  schedule.relax();
  EXPECT_EQ(turns, at_end);
}

TEST(FreeThreads, TheEndOfAScheduleStopsAllActors) {
  std::atomic<int> ended{0};
  {
    FreeSchedule schedule;
    Signal never{schedule};
    for (int i = 0; i < 3; ++i) {
      schedule.start("a", [&](const std::stop_token& stop) {
        EXPECT_FALSE(never.wait(stop));
        ++ended;
      });
    }
    for (ActorId id = 1; id <= 3; ++id) {
      schedule.finish(id);
    }
  }
  EXPECT_EQ(ended, 3);
}

TEST(FreeDeathTest, AnActorThatDoesNotStopIsNamed) {
  EXPECT_DEATH(
      {
        FreeSchedule impatient{{.block_limit = std::chrono::milliseconds{1}}};
        impatient.finish(impatient.start("the deaf one", [&](const std::stop_token&) {
          for (;;) {
            impatient.relax();
          }
        }));
      },
      "the deaf one was told to stop and does not");
}

TEST(FreeThreads, ASignalIsNotLostWhenItComesBeforeTheWait) {
  FreeSchedule schedule;
  Signal signal{schedule};
  signal.set();
  signal.set();
  EXPECT_TRUE(signal.wait({}));
  std::atomic<bool> woken{false};
  const auto actor = schedule.start("a", [&](const std::stop_token& stop) { woken = signal.wait(stop); });
  EXPECT_FALSE(woken);
  signal.set();
  schedule.join(actor);
  EXPECT_TRUE(woken);
}

TEST(FreeTime, IsMonotonic) {
  FreeSchedule schedule;
  Time time{schedule};
  auto last = time.now_ns();
  for (int i = 0; i < 1000; ++i) {
    const auto now = time.now_ns();
    EXPECT_GE(now, last);
    last = now;
  }
}

TEST(Bounded, EndsWithItsTurnsOrItsTime) {
  SeededSchedule schedule{{.turn_ns = 1000}};
  Time time{schedule};
  int turns = 0;
  for (Bounded run{time, 1'000'000, 10}; run.goes_on();) {
    ++turns;
  }
  EXPECT_EQ(turns, 10);
  turns = 0;
  for (Bounded run{time, 5000}; run.goes_on(); schedule.relax()) {
    ++turns;
  }
  EXPECT_EQ(turns, 5);
}

} // namespace
} // namespace sluice::hosted

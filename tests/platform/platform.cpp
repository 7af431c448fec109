#include <sluice/hosted/port.hpp>

#include <gtest/gtest.h>

#include <utility>

namespace sluice::platform {
namespace {

// Time that passes by relax() only.
struct Clock final : Time {
  std::uint64_t now_ns() override { return now; }
  void relax() override {
    ++turns;
    now += 1000;
  }
  std::uint64_t now{0};
  int turns{0};
};

TEST(WaitUntil, WhatIsDoneAlreadyTakesNoTurn) {
  Clock clock;
  EXPECT_TRUE(wait_until(clock, 0, [] { return true; }));
  EXPECT_EQ(clock.turns, 0);
}

TEST(WaitUntil, EndsAsSoonAsItIsDone) {
  Clock clock;
  EXPECT_TRUE(wait_until(clock, 100, [&] { return clock.turns == 7; }));
  EXPECT_EQ(clock.turns, 7);
}

TEST(WaitUntil, RunsOutAtItsLimit) {
  Clock clock;
  EXPECT_FALSE(wait_until(clock, 100, [] { return false; }));
  EXPECT_EQ(clock.turns, 100);
}

TEST(WaitUntil, LooksOnceMoreAfterTheTime) {
  Clock clock;
  int looks = 0;
  EXPECT_TRUE(wait_until(clock, 0, [&] {
    ++looks;
    return looks == 3; // before, in the turn, and after the time
  }));
}

class PlatformTest : public ::testing::Test {
protected:
  hosted::Port port{{.arena = {.size = 1 << 20}}};
};

TEST_F(PlatformTest, GuardsGiveLocksBack) {
  Mutex mutex;
  SpinLock spin;
  {
    const MutexGuard guard{port.sync, mutex};
    const SpinGuard inner{port.sync, spin};
    EXPECT_NE(mutex.state.load(), 0U);
    EXPECT_NE(spin.state.load(), 0U);
  }
  EXPECT_EQ(mutex.state.load(), 0U);
  EXPECT_EQ(spin.state.load(), 0U);
}

struct Counted {
  explicit Counted(int& n) : alive{n} { ++alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive; }
  int& alive;
};

TEST_F(PlatformTest, AnOwnedObjectDiesWithItsLastOwner) {
  int alive = 0;
  {
    auto first = std::move(*make<Counted>(port.memory, alive));
    EXPECT_EQ(alive, 1);
    auto second = std::move(first);
    EXPECT_FALSE(first); // NOLINT: what a moved-from owner says
    EXPECT_EQ(alive, 1);
    auto third = std::move(*make<Counted>(port.memory, alive));
    EXPECT_EQ(alive, 2);
    third = std::move(second);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(port.memory.counts().live(), 0U);
}

TEST_F(PlatformTest, AReleasedObjectIsLeftToTheCaller) {
  int alive = 0;
  auto owned = std::move(*make<Counted>(port.memory, alive));
  auto* object = owned.release();
  owned.reset();
  EXPECT_EQ(alive, 1);
  Owned<Counted>{port.memory, object}.reset();
  EXPECT_EQ(alive, 0);
}

TEST_F(PlatformTest, AnObjectThatFindsNoMemoryIsNeverMade) {
  int alive = 0;
  port.memory.fail(1);
  EXPECT_TRUE(make<Counted>(port.memory, alive).error() == base::Errc::no_memory);
  EXPECT_EQ(alive, 0);
}

} // namespace
} // namespace sluice::platform

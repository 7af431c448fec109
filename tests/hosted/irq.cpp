#include <sluice/hosted/free.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/hosted/seeded.hpp>
#include <sluice/hosted/time.hpp>

#include <gtest/gtest.h>

namespace sluice::hosted {
namespace {

struct Handler : platform::IrqHandler {
  explicit Handler(Schedule& s) : schedule{s} {}
  void on_irq() override {
    most_at_once = std::max(most_at_once.load(), ++running);
    while (held) {
      schedule.relax();
    }
    for (int i = 0; i < turns; ++i) {
      schedule.relax();
    }
    --running;
    ++ran;
  }
  Schedule& schedule;
  int turns{0};
  std::atomic<bool> held{false}; // the handler does not end
  std::atomic<int> ran{0};
  std::atomic<int> running{0};
  std::atomic<int> most_at_once{0};
};

// Each rule with free threads and with a seed.
class IrqThreads : public ::testing::TestWithParam<bool> {
protected:
  IrqThreads() {
    if (GetParam()) {
      schedule = std::make_unique<SeededSchedule>(SeededSchedule::Config{});
    } else {
      schedule = std::make_unique<FreeSchedule>();
    }
  }
  bool soon(const std::function<bool()>& done) {
    Time time{*schedule};
    return platform::wait_until(time, 10'000'000, done);
  }

  std::unique_ptr<Schedule> schedule;
};

TEST_P(IrqThreads, ALineRunsItsHandler) {
  Irq irq{*schedule, 4};
  Handler handler{*schedule};
  ASSERT_TRUE(irq.connect(3, handler).ok());
  for (int i = 1; i <= 5; ++i) {
    irq.raise(3);
    EXPECT_TRUE(soon([&] { return handler.ran == i; }));
  }
}

TEST_P(IrqThreads, AnAbsentLineIsNotFoundAndATakenOneIsTaken) {
  Irq irq{*schedule, 4};
  Handler handler{*schedule};
  EXPECT_TRUE(irq.connect(4, handler).error() == base::Errc::not_found);
  EXPECT_TRUE(irq.connect(1, handler).ok());
  EXPECT_TRUE(irq.connect(1, handler).error() == base::Errc::already_exists);
  irq.disconnect(1);
  EXPECT_TRUE(irq.connect(1, handler).ok());
  irq.raise(77);
}

TEST_P(IrqThreads, AnEdgeDuringTheHandlerRunsItOnceMoreAndNeverTwiceAtOnce) {
  Irq irq{*schedule, 1};
  Handler handler{*schedule};
  handler.held = true;
  ASSERT_TRUE(irq.connect(0, handler).ok());
  irq.raise(0);
  EXPECT_TRUE(soon([&] { return handler.running == 1; }));
  irq.raise(0);
  irq.raise(0);
  handler.held = false;
  EXPECT_TRUE(soon([&] { return handler.ran >= 2; }));
  EXPECT_EQ(handler.most_at_once, 1);
}

TEST_P(IrqThreads, AnEdgeBeforeThereIsAHandlerWaitsForIt) {
  Irq irq{*schedule, 1};
  Handler handler{*schedule};
  irq.raise(0);
  ASSERT_TRUE(irq.connect(0, handler).ok());
  EXPECT_TRUE(soon([&] { return handler.ran == 1; }));
}

TEST_P(IrqThreads, DisconnectWaitsForTheRunningHandler) {
  Irq irq{*schedule, 1};
  Handler handler{*schedule};
  handler.turns = 1000;
  handler.held = true;
  ASSERT_TRUE(irq.connect(0, handler).ok());
  irq.raise(0);
  EXPECT_TRUE(soon([&] { return handler.running == 1; }));
  handler.held = false;
  irq.disconnect(0);
  EXPECT_EQ(handler.running, 0);
  EXPECT_EQ(handler.ran, 1);
  irq.raise(0);
  for (int i = 0; i < 1000; ++i) {
    schedule->relax();
  }
  EXPECT_EQ(handler.ran, 1);
}

TEST_P(IrqThreads, LinesRunBesideEachOther) {
  Irq irq{*schedule, 2};
  Handler slow{*schedule};
  Handler quick{*schedule};
  slow.turns = 1000;
  ASSERT_TRUE(irq.connect(0, slow).ok());
  ASSERT_TRUE(irq.connect(1, quick).ok());
  irq.raise(0);
  irq.raise(1);
  EXPECT_TRUE(soon([&] { return slow.ran == 1 && quick.ran == 1; }));
}

INSTANTIATE_TEST_SUITE_P(Both, IrqThreads, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Seeded" : "Free"; });

} // namespace
} // namespace sluice::hosted

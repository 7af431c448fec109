#include <sluice/hosted/fd_watch.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <sys/eventfd.h>

namespace sluice::hosted {
namespace {

using namespace std::chrono_literals;

bool becomes(const std::atomic<unsigned>& value, unsigned wanted) {
  for (int ms = 0; value.load() != wanted && ms < 20'000; ++ms) {
    std::this_thread::sleep_for(1ms);
  }
  return value.load() == wanted;
}

TEST(FdWatchThreads, TellsEachTimeThatADescriptorBecomesReadable) {
  const Fd event{eventfd(0, EFD_NONBLOCK)};
  std::atomic<unsigned> told{};
  FdWatch watch;
  ASSERT_TRUE(watch.add(event.get(), [&] { ++told; }));
  for (unsigned i = 1; i <= 3; ++i) {
    eventfd_write(event.get(), 1);
    EXPECT_TRUE(becomes(told, i)) << "though nobody reads it";
  }
  watch.remove(event.get());
  eventfd_write(event.get(), 1);
  std::this_thread::sleep_for(5ms); // room for a call that must not come; the test holds without it
  EXPECT_EQ(told.load(), 3u);
}

TEST(FdWatchThreads, OneThatIsReadableAlreadyIsToldOf) {
  const Fd event{eventfd(1, EFD_NONBLOCK)};
  std::atomic<unsigned> told{};
  FdWatch watch;
  ASSERT_TRUE(watch.add(event.get(), [&] { ++told; }));
  EXPECT_TRUE(becomes(told, 1));
  watch.remove(event.get());
}

TEST(FdWatchThreads, AfterARemovalNothingRuns) {
  const Fd event{eventfd(0, EFD_NONBLOCK)};
  FdWatch watch;
  for (int round = 0; round < 200; ++round) {
    auto alive = std::make_unique<std::atomic<unsigned>>(0);
    ASSERT_TRUE(watch.add(event.get(), [&alive = *alive] {
      ++alive;
      std::this_thread::yield();
      ++alive;
    }));
    eventfd_write(event.get(), 1);
    watch.remove(event.get());
    EXPECT_EQ(alive->load() % 2, 0u);
    alive.reset(); // and a sanitizer sees who comes late
  }
}

TEST(FdWatchThreads, ARemovalWaitsForWhatIsBeingTold) {
  const Fd event{eventfd(1, EFD_NONBLOCK)};
  std::atomic<unsigned> begun{};
  std::atomic<bool> go{};
  std::atomic<bool> removed{};
  FdWatch watch;
  ASSERT_TRUE(watch.add(event.get(), [&] {
    ++begun;
    while (!go.load()) {
      std::this_thread::yield();
    }
  }));
  ASSERT_TRUE(becomes(begun, 1));
  std::jthread remover{[&] {
    watch.remove(event.get());
    removed.store(true);
  }};
  std::this_thread::sleep_for(20ms); // room for a removal that does not wait; the test holds without it
  EXPECT_FALSE(removed.load());
  go.store(true);
}

TEST(FdWatchThreads, AFileThatCannotBeWaitedForIsRefused) {
  const Fd file{open("/proc/self/exe", O_RDONLY)};
  FdWatch watch;
  EXPECT_FALSE(watch.add(file.get(), [] {}));
  EXPECT_FALSE(watch.add(-1, [] {}));
}

} // namespace
} // namespace sluice::hosted

#include <sluice/base/atomic.hpp>
#include <sluice/base/fence.hpp>

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sluice::base {
namespace {

enum class State : std::uint8_t { idle, busy };

TEST(Atomics, HaveTheLayoutOfTheirValue) {
  static_assert(sizeof(Atomic<std::uint8_t>) == 1 && sizeof(Atomic<std::uint16_t>) == 2);
  static_assert(sizeof(Atomic<std::uint32_t>) == 4 && sizeof(DmaWord) == 8);
  static_assert(sizeof(DmaWord[512]) == 4096);
  std::uint64_t words[2] = {1, 2};
  EXPECT_EQ(reinterpret_cast<DmaWord*>(words)[1].load(), 2u);
}
TEST(Atomics, KeepWhatIsStored) {
  Atomic<std::uint32_t> a{7};
  EXPECT_EQ(a.load(), 7u);
  a.store(8, Order::release);
  EXPECT_EQ(a.load(Order::acquire), 8u);
  EXPECT_EQ(a.exchange(9), 8u);
  EXPECT_EQ(a.load(Order::relaxed), 9u);
}
TEST(Atomics, BeginWithTheValueOfNothing) {
  EXPECT_EQ(Atomic<std::uint64_t>{}.load(), 0u);
  EXPECT_EQ(Atomic<State>{}.load(), State::idle);
  EXPECT_EQ(Atomic<int*>{}.load(), nullptr);
}
TEST(Atomics, AFailedExchangeTellsWhatIsThere) {
  Atomic<std::uint64_t> a{5};
  std::uint64_t expected = 4;
  EXPECT_FALSE(a.compare_exchange(expected, 6));
  EXPECT_EQ(expected, 5u);
  EXPECT_EQ(a.load(), 5u);
  EXPECT_TRUE(a.compare_exchange(expected, 6, Order::acq_rel));
  EXPECT_EQ(a.load(), 6u);
}
TEST(Atomics, ArithmeticAnswersTheValueBefore) {
  Atomic<std::uint32_t> a{0b1100};
  EXPECT_EQ(a.fetch_add(1), 0b1100u);
  EXPECT_EQ(a.fetch_sub(1), 0b1101u);
  EXPECT_EQ(a.fetch_or(0b0011), 0b1100u);
  EXPECT_EQ(a.fetch_and(0b0110), 0b1111u);
  EXPECT_EQ(a.fetch_xor(0b1111), 0b0110u);
  EXPECT_EQ(a.load(), 0b1001u);
}
TEST(Atomics, HoldEnumerationsAndPointers) {
  Atomic<State> state{State::idle};
  EXPECT_EQ(state.exchange(State::busy), State::idle);
  EXPECT_EQ(state.load(), State::busy);
  int x = 0;
  Atomic<int*> pointer{&x};
  int* expected = &x;
  EXPECT_TRUE(pointer.compare_exchange(expected, nullptr));
  EXPECT_EQ(pointer.load(), nullptr);
}

TEST(AtomicsThreads, IncrementsOfTwoThreadsAllCount) {
  Atomic<std::uint64_t> sum;
  const auto add = [&] {
    for (int i = 0; i < 20000; ++i) {
      sum.fetch_add(1, Order::relaxed);
    }
  };
  std::thread other{add};
  add();
  other.join();
  EXPECT_EQ(sum.load(), 40000u);
}
TEST(AtomicsThreads, WhoSeesAPublishedIndexSeesWhatItPointsAt) {
  std::vector<DmaWord> entries(64);
  Atomic<std::uint32_t> prod;
  std::thread producer{[&] {
    for (std::uint32_t i = 0; i < 64; ++i) {
      entries[i].store(i + 1, Order::relaxed);
      dma_publish();
      prod.store(i + 1, Order::relaxed);
    }
  }};
  std::uint32_t seen = 0;
  for (std::uint32_t cons = 0; cons < 64; ++cons) {
    while (seen <= cons) {
      seen = prod.load(Order::relaxed);
      if (seen <= cons) {
        std::this_thread::yield();
      }
    }
    dma_observe();
    EXPECT_EQ(entries[cons].load(Order::relaxed), cons + 1);
  }
  producer.join();
}
TEST(AtomicsThreads, WithFullFencesOneOfTwoSeesTheOther) {
  for (int round = 0; round < 500; ++round) {
    Atomic<int> x;
    Atomic<int> y;
    int other_saw = 0;
    std::thread other{[&] {
      y.store(1, Order::relaxed);
      full_fence();
      other_saw = x.load(Order::relaxed);
    }};
    x.store(1, Order::relaxed);
    full_fence();
    const int saw = y.load(Order::relaxed);
    other.join();
    ASSERT_TRUE(saw == 1 || other_saw == 1);
  }
}

} // namespace
} // namespace sluice::base

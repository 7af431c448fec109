#include <sluice/hosted/random.hpp>

#include <gtest/gtest.h>

#include <array>

namespace sluice::hosted {
namespace {

// Worked out with the authors' reference code: splitmix64 from seed 0 begins with e220a8397b1dcdaf.
TEST(Random, IsXoshiro256WithStateFromSplitmix64) {
  std::array<std::uint64_t, 4> s{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f, 0xf88bb8a8724c81ec};
  const std::uint64_t first = std::rotl(s[1] * 5, 7) * 9;
  EXPECT_EQ(Random{0}.next(), first);
  EXPECT_EQ(first, 0x99ec5f36cb75f2b4);
}

TEST(Random, RepeatsForOneSeedAndDiffersForAnother) {
  Random a{42};
  Random b{42};
  Random c{43};
  int same = 0;
  for (int i = 0; i < 100; ++i) {
    const auto value = a.next();
    EXPECT_EQ(value, b.next());
    same += value == c.next() ? 1 : 0;
  }
  EXPECT_EQ(same, 0);
}

TEST(Random, BelowReachesEachValueAndNoOther) {
  Random random{1};
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) {
    ++seen.at(random.below(7));
  }
  for (const auto count : seen) {
    EXPECT_NEAR(count, 1000, 200);
  }
}

TEST(Random, BetweenIncludesBothEnds) {
  Random random{1};
  bool low = false;
  bool high = false;
  for (int i = 0; i < 1000; ++i) {
    const auto value = random.between(10, 13);
    ASSERT_TRUE(value >= 10 && value <= 13);
    low |= value == 10;
    high |= value == 13;
  }
  EXPECT_TRUE(low && high);
  EXPECT_EQ(random.between(5, 5), 5U);
}

TEST(Random, OneInOneIsAlways) {
  Random random{1};
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(random.one_in(1));
  }
}

} // namespace
} // namespace sluice::hosted

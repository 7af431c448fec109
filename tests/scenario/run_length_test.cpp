#include <sluice/scenario/run_length.hpp>

#include <gtest/gtest.h>

namespace sluice::scenario {
namespace {

TEST(RunLength, ARunLastsAsLongAsItWasAskedTo) {
  EXPECT_FALSE(long_enough(1.9, 2, 100 * least_replacements));
  EXPECT_TRUE(long_enough(2, 2, least_replacements));
}

TEST(RunLength, OnABusyMachineItGoesOnUntilThereWereChangesEnough) {
  EXPECT_FALSE(long_enough(2.1, 2, least_replacements - 1));
}

TEST(RunLength, ButNotForEver) { EXPECT_TRUE(long_enough(2 * most_overtime, 2, 0)); }

} // namespace
} // namespace sluice::scenario

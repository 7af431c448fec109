#include <sluice/arch/queues.hpp>

#include <gtest/gtest.h>

namespace sluice::arch {
namespace {

TEST(Queues, EntriesHaveTheSizesOfTheManual) {
  EXPECT_EQ(command_size, 16u);
  EXPECT_EQ(event_size, 32u);
  EXPECT_EQ(pri_record_size, 16u);
}
TEST(Queues, APointerIsAnIndexBelowAWrapBit) {
  EXPECT_EQ(queue_index(0x1b, 4), 0xbu);
  EXPECT_EQ(queue_wrap(0x1b, 4), 1u);
  EXPECT_EQ(queue_pointer(0x8000'003b, 4), 0x1bu);
}
TEST(Queues, AdvancingPastTheEndTurnsTheWrapBit) {
  EXPECT_EQ(queue_advance(0x0e, 4), 0x0fu);
  EXPECT_EQ(queue_advance(0x0f, 4), 0x10u);
  EXPECT_EQ(queue_advance(0x1f, 4), 0x00u);
  EXPECT_EQ(queue_advance(0x0f, 4, 16), 0x1fu);
}
TEST(Queues, EqualIndicesAreEmptyOrFullByTheWrapBit) {
  EXPECT_TRUE(queue_empty(0x05, 0x05, 4));
  EXPECT_FALSE(queue_full(0x05, 0x05, 4));
  EXPECT_TRUE(queue_full(0x15, 0x05, 4));
  EXPECT_FALSE(queue_empty(0x15, 0x05, 4));
}
TEST(Queues, AFlagInBit31IsNoPartOfThePointer) {
  EXPECT_TRUE(queue_empty(0x8000'0005, 0x05, 4));
  EXPECT_EQ(queue_used(0x8000'0007, 0x05, 4), 2u);
}
TEST(Queues, UsedEntriesCountAcrossTheWrap) {
  EXPECT_EQ(queue_used(0x11, 0x0f, 4), 2u);
  EXPECT_EQ(queue_used(0x02, 0x1e, 4), 4u);
  EXPECT_EQ(queue_used(0x15, 0x05, 4), 16u);
}
TEST(Queues, InconsistentPointersUseMoreThanThereIs) { EXPECT_GT(queue_used(0x15, 0x04, 4), 16u); }
TEST(Queues, AQueueOfOneEntryHasItsWrapInBit0) {
  EXPECT_TRUE(queue_empty(0, 0, 0));
  EXPECT_TRUE(queue_full(1, 0, 0));
  EXPECT_EQ(queue_advance(1, 0), 0u);
}
TEST(Queues, TheLargestQueueUsesAllOfThePointer) {
  EXPECT_EQ(queue_advance(0xf'ffff, max_queue_log2), 0u);
  EXPECT_EQ(queue_advance(0x7'ffff, max_queue_log2), 0x8'0000u);
  EXPECT_EQ(queue_pointer(~0u, max_queue_log2), queue_pointer_mask);
}
TEST(Queues, ASizeCountsUpToWhatTheHardwareHas) {
  EXPECT_EQ(effective_log2(8, 19), 8u);
  EXPECT_EQ(effective_log2(31, 19), 19u);
}
TEST(Queues, ABaseIsAlignedToTheQueueAndTo32Bytes) {
  EXPECT_EQ(queue_align(8, command_size), 4096u);
  EXPECT_EQ(queue_align(0, command_size), 32u);
  EXPECT_EQ(queue_align(0, event_size), 32u);
  EXPECT_EQ(queue_align(7, event_size), 4096u);
}

} // namespace
} // namespace sluice::arch

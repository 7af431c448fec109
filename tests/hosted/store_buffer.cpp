#include <sluice/hosted/store_buffer.hpp>

#include <gtest/gtest.h>

namespace sluice::hosted {
namespace {

using Order = std::memory_order;

class StoreBufferTest : public ::testing::Test {
protected:
  StoreBuffer::Serial store(std::uint64_t& at, Order order = Order::relaxed) {
    return buffer.store(&at, 8, {1}, order).serial;
  }
  StoreBuffer::Serial device() {
    return buffer.store_to_device([] {}).serial;
  }
  std::vector<StoreBuffer::Serial> can_leave() { return buffer.free_to_leave(true); }
  using Serials = std::vector<StoreBuffer::Serial>;

  StoreBuffer buffer;
  std::uint64_t a{};
  std::uint64_t b{};
  std::uint64_t c{};
};

TEST_F(StoreBufferTest, StoresToDifferentWordsLeaveInAnyOrder) {
  const auto first = store(a);
  const auto second = store(b);
  EXPECT_EQ(can_leave(), (Serials{first, second}));
}

TEST_F(StoreBufferTest, StoresToOneWordLeaveInOrder) {
  const auto first = store(a);
  store(a);
  EXPECT_EQ(can_leave(), Serials{first});
}

TEST_F(StoreBufferTest, StoresThatOverlapLeaveInOrder) {
  const auto first = store(a);
  const auto half = buffer.store(reinterpret_cast<char*>(&a) + 4, 4, {1}, Order::relaxed).serial;
  EXPECT_EQ(can_leave(), Serials{first});
  buffer.take(first);
  EXPECT_EQ(can_leave(), Serials{half});
}

TEST_F(StoreBufferTest, AReleaseStoreLeavesAfterAllBefore) {
  const auto first = store(a);
  const auto second = store(b, Order::release);
  const auto third = store(c);
  EXPECT_EQ(can_leave(), (Serials{first, third}));
  buffer.take(first);
  EXPECT_EQ(can_leave(), (Serials{second, third}));
}

TEST_F(StoreBufferTest, AFenceHoldsAllAfterUntilAllBeforeHasLeft) {
  const auto first = store(a);
  const auto bell = device();
  buffer.fence();
  const auto third = store(c);
  EXPECT_EQ(can_leave(), (Serials{first, bell}));
  buffer.take(first);
  buffer.take(bell);
  EXPECT_EQ(can_leave(), Serials{third});
}

TEST_F(StoreBufferTest, AWriteToADeviceOvertakesStoresAndIsOvertaken) {
  const auto first = store(a);
  const auto bell = device();
  const auto third = store(b);
  EXPECT_EQ(can_leave(), (Serials{first, bell, third}));
}

TEST_F(StoreBufferTest, WritesToDevicesLeaveInOrder) {
  const auto first = device();
  device();
  EXPECT_EQ(can_leave(), Serials{first});
}

TEST_F(StoreBufferTest, OthersCannotTakeWritesToDevices) {
  device();
  EXPECT_TRUE(buffer.free_to_leave(false).empty());
}

TEST_F(StoreBufferTest, TheNewestStoreIsTheOneThatIsSeen) {
  store(a);
  const auto second = store(a);
  EXPECT_EQ(buffer.newest(&a, 8)->serial, second);
  EXPECT_EQ(buffer.newest(&b, 8), nullptr);
}

TEST_F(StoreBufferTest, WhatAFenceKeepsInFrontIsKnown) {
  EXPECT_FALSE(buffer.before_last_fence());
  const auto first = store(a);
  EXPECT_FALSE(buffer.before_last_fence());
  buffer.fence();
  store(b);
  EXPECT_EQ(buffer.before_last_fence(), first);
  buffer.take(first);
  EXPECT_FALSE(buffer.before_last_fence());
}

TEST_F(StoreBufferTest, ForgottenMemoryIsNotWrittenAnyMore) {
  store(a);
  const auto second = store(b);
  device();
  buffer.forget(&a, 8);
  EXPECT_EQ(buffer.find(second), &buffer.entries().front());
  EXPECT_EQ(buffer.size(), 2U);
}

TEST_F(StoreBufferTest, ANewestSequentiallyConsistentStoreIsKnown) {
  store(a, Order::release);
  EXPECT_FALSE(buffer.newest_seq_cst());
  const auto second = store(b, Order::seq_cst);
  EXPECT_EQ(buffer.newest_seq_cst(), second);
}

} // namespace
} // namespace sluice::hosted

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace sluice::iommufd::test {
namespace {

TEST(Framework, ANumberOutsideTheInterfaceIsENOTTYBeforeThePointerIsLookedAt) {
  Client c;
  EXPECT_EQ(c.context.ioctl(u::call(0x7f), 0), -ENOTTY);
  EXPECT_EQ(c.context.ioctl(u::call(0x96), 0), -ENOTTY);
}

TEST(Framework, ABadPointerIsEFAULTBeforeANumberWithoutACallIsENOTTY) {
  Client c;
  EXPECT_EQ(c.context.ioctl(u::call(u::Destroy::nr), 0), -EFAULT);
  EXPECT_EQ(c.context.ioctl(0x1234'0000 | u::Destroy::nr, 0), -EFAULT);
  EXPECT_EQ(c.context.ioctl(0x1234'0000 | u::Destroy::nr, Client::at), -ENOTTY);
}

TEST(Framework, AStructureShorterThanTheFirstVersionIsEINVAL) {
  Client c;
  u::IoasAlloc cmd{};
  EXPECT_EQ(c.call(cmd, u::IoasAlloc::min_size - 1), EINVAL);
  EXPECT_EQ(c.call(cmd, 0), EINVAL);
}

TEST(Framework, ALongerStructureIsTakenWhenItsTailIsZeroElseE2BIG) {
  Client c;
  u::IoasAlloc cmd{};
  EXPECT_EQ(c.call(cmd, sizeof cmd + 8), 0);
  c.caller.bytes[Client::at + sizeof cmd + 7] = std::byte{1};
  EXPECT_EQ(c.call(cmd, sizeof cmd + 8), E2BIG);
  EXPECT_EQ(c.context.objects(), 1u);
}

TEST(Framework, AStructureOfTheFirstVersionMeansZeroForWhatItLacks) {
  Client c;
  const std::uint32_t ioas = c.ioas();
  const auto device = c.context.bind(c.rng, {});
  ASSERT_TRUE(device);
  u::HwptAlloc cmd{.dev_id = (*device)->id(), .pt_id = ioas, .reserved = 0, .fault_id = 99, .reserved2 = 99};
  EXPECT_EQ(c.call(cmd, u::HwptAlloc::min_size), 0);
  c.context.unbind(**device);
}

TEST(Framework, WhatLiesBehindAShortStructureIsNotLookedAt) {
  Client c;
  u::HwptAlloc cmd{.dev_id = 1, .pt_id = 1, .data_type = 77};
  EXPECT_EQ(c.call(cmd), EINVAL) << "a type without data";
  EXPECT_EQ(c.call(cmd, u::HwptAlloc::min_size), ENOENT);
}

TEST(Framework, AShortStructureMayEndWhereMemoryEnds) {
  Client c;
  const std::uint64_t at = c.caller.bytes.size() - u::HwptAlloc::min_size;
  const std::uint32_t size = u::HwptAlloc::min_size;
  std::memcpy(&c.caller.bytes[at], &size, sizeof size);
  EXPECT_EQ(c.context.ioctl(u::call(u::HwptAlloc::nr), at), -ENOENT);
  EXPECT_EQ(c.context.ioctl(u::call(u::HwptAlloc::nr), at + 4), -EINVAL) << "0 is shorter than any";
}

TEST(Framework, IdsStartAtOneAndTheLowestFreeOneIsTaken) {
  Client c;
  EXPECT_EQ(c.ioas(), 1u);
  EXPECT_EQ(c.ioas(), 2u);
  EXPECT_EQ(c.ioas(), 3u);
  EXPECT_EQ(c.destroy(2), 0);
  EXPECT_EQ(c.ioas(), 2u);
}

TEST(Framework, AnAnswerThatCannotBeWrittenLeavesNothingBehind) {
  Client c;
  c.caller.read_only_from = Client::at;
  u::IoasAlloc cmd{};
  EXPECT_EQ(c.call(cmd), EFAULT);
  EXPECT_EQ(c.context.objects(), 0u);
}

TEST(Framework, DestroyOfNothingIsENOENTAndOfSomethingInUseEBUSY) {
  Client c;
  EXPECT_EQ(c.destroy(1), ENOENT);
  const std::uint32_t ioas = c.ioas();
  const auto device = c.context.bind(c.rng, {});
  ASSERT_EQ(c.hwpt((*device)->id(), ioas), 0);
  EXPECT_EQ(c.destroy(ioas), EBUSY);
  EXPECT_EQ(c.destroy((*device)->id()), EBUSY);
  EXPECT_EQ(c.destroy(c.made), 0);
  EXPECT_EQ(c.destroy(ioas), 0);
  c.context.unbind(**device);
  EXPECT_EQ(c.context.objects(), 0u);
}

TEST(Framework, FlagsAndReservedFieldsThatAreSetAreEOPNOTSUPP) {
  Client c;
  u::IoasAlloc alloc{.flags = 1};
  EXPECT_EQ(c.call(alloc), EOPNOTSUPP);
  u::IoasIovaRanges ranges{.ioas_id = 1, .reserved = 1};
  EXPECT_EQ(c.call(ranges), EOPNOTSUPP);
  u::IoasMap map{.flags = 8, .ioas_id = 1};
  EXPECT_EQ(c.call(map), EOPNOTSUPP);
  map = {.flags = 6, .ioas_id = 1, .reserved = 1};
  EXPECT_EQ(c.call(map), EOPNOTSUPP);
  u::VeventqAlloc queue{.reserved = 1};
  EXPECT_EQ(c.call(queue), EOPNOTSUPP);
}

TEST(Framework, ClosingTheContextDestroysEverything) {
  auto c = std::make_unique<Client>();
  const std::uint32_t ioas = c->ioas();
  const auto device = c->context.bind(c->rng, {});
  ASSERT_EQ(c->map(ioas, 0x1000, 0x1000), 0);
  ASSERT_EQ(c->hwpt((*device)->id(), ioas), 0);
  c->context.unbind(**device);
  EXPECT_EQ(c->pages.live, 1);
  auto* const unit = &c->unit;
  EXPECT_EQ(unit->domains.size(), 1u);
  c->destroy(c->made);
  EXPECT_EQ(unit->domains.size(), 0u);
}

} // namespace
} // namespace sluice::iommufd::test

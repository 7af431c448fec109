#include "fakes.hpp"

#include <cerrno>

#include <gtest/gtest.h>

namespace sluice::iommufd::test {
namespace {

struct Events : ::testing::Test {
  Client c;
  std::uint32_t ioas = c.ioas();
  Device* device = *c.context.bind(c.rng, {});
  std::uint32_t viommu{};

  void SetUp() override {
    ASSERT_EQ(c.hwpt(device->id(), ioas, u::hwpt_nest_parent), 0);
    ASSERT_EQ(c.viommu(device->id(), c.made), 0);
    viommu = c.made;
  }
  void TearDown() override { c.context.unbind(*device); }

  void happen(std::uint8_t what) {
    std::array<std::byte, 32> record{};
    record[0] = std::byte{what};
    c.unit.last_viommu->events->on_event(record);
  }
  // Bytes, or a negative errno.
  std::int64_t read(std::uint64_t count = 4096, std::uint64_t at = Client::buffer, std::uint64_t offset = 0) {
    return c.channels.queue_file->read(at, count, offset);
  }
  template <class T>
  T got(std::size_t at) {
    T value{};
    std::memcpy(&value, &c.caller.bytes[Client::buffer + at], sizeof value);
    return value;
  }
  u::VeventHeader header(std::size_t at) { return got<u::VeventHeader>(at); }
  bool readable() { return c.channels.last_queue->readable; }
};

constexpr std::int64_t one = sizeof(u::VeventHeader) + 32;

TEST_F(Events, AreReadInOrderWithTheirSequenceAsManyAsThereAre) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  happen(0x10);
  happen(0x13);
  ASSERT_EQ(read(), 2 * one);
  EXPECT_EQ(got<std::uint8_t>(8), 0x10);
  EXPECT_EQ(got<std::uint8_t>(one + 8), 0x13);
  EXPECT_EQ(header(0).sequence, 0u);
  EXPECT_EQ(header(one).sequence, 1u);
}

TEST_F(Events, AreReadWholeAsManyAsFit) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  for (int i = 0; i < 3; ++i) {
    happen(0x10);
  }
  EXPECT_EQ(read(2 * one + 39), 2 * one);
  EXPECT_TRUE(readable());
  EXPECT_EQ(read(one), one);
  EXPECT_EQ(header(0).sequence, 2u);
  EXPECT_FALSE(readable());
}

TEST_F(Events, OfAnEmptyQueueAreZeroBytesAndNoWait) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  EXPECT_FALSE(readable());
  EXPECT_EQ(read(), 0);
  EXPECT_EQ(read(8), 0);
}

TEST_F(Events, AreNotReadWhereNotEvenTheFirstFits) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  EXPECT_EQ(read(7), -EINVAL) << "of a header";
  happen(0x10);
  EXPECT_EQ(read(39), -EINVAL);
  EXPECT_EQ(read(one, Client::buffer, 8), -ESPIPE);
  EXPECT_EQ(read(), one) << "it stays";
}

TEST_F(Events, ABadPointerIsEFAULTAndLosesNothing) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  happen(0x10);
  happen(0x13);
  const std::uint64_t end = c.caller.bytes.size();
  EXPECT_EQ(read(4096, end - 20), -EFAULT);
  EXPECT_EQ(read(4096, end - one - 20), one) << "the first one";
  EXPECT_TRUE(readable());
  EXPECT_EQ(read(), one);
  EXPECT_EQ(header(0).sequence, 1u);
}

TEST_F(Events, AreNotWritten) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  EXPECT_FALSE(c.channels.writable);
  EXPECT_EQ(c.channels.queue_file->write(Client::buffer, 8, 0), -EINVAL);
  EXPECT_EQ(c.channels.queue_file->write(Client::buffer, 0, 0), -EINVAL);
}

TEST_F(Events, BeyondTheDepthBecomeOneHeaderOfLossWithTheLatestSequence) {
  ASSERT_EQ(c.veventq(viommu, 2), 0);
  for (int i = 0; i < 5; ++i) {
    happen(0x10);
  }
  ASSERT_EQ(read(), 2 * one + 8);
  EXPECT_EQ(header(2 * one).flags, u::vevent_lost);
  EXPECT_EQ(header(2 * one).sequence, 4u);
  EXPECT_EQ(read(), 0) << "it was told";
}

TEST_F(Events, AHeaderOfLossIsReadWhereOnlyItFits) {
  ASSERT_EQ(c.veventq(viommu, 1), 0);
  happen(0x10);
  happen(0x10); // lost
  ASSERT_EQ(read(one + 7), one);
  EXPECT_TRUE(readable());
  EXPECT_EQ(read(8), 8);
  EXPECT_EQ(header(0).flags, u::vevent_lost);
}

TEST_F(Events, AHeaderOfLossGoesWhenARealEventFollowsIt) {
  ASSERT_EQ(c.veventq(viommu, 1), 0);
  happen(0x10);
  happen(0x10); // lost
  ASSERT_EQ(read(one), one);
  happen(0x13);
  ASSERT_EQ(read(), one);
  EXPECT_EQ(header(0).flags, 0u);
  EXPECT_EQ(header(0).sequence, 2u);
}

TEST_F(Events, ALossThatTheDriverTellsOfIsAHeaderToo) {
  ASSERT_EQ(c.veventq(viommu, 4), 0);
  happen(0x10);
  c.unit.last_viommu->events->on_loss();
  ASSERT_EQ(read(), one + 8);
  EXPECT_EQ(header(one).flags, u::vevent_lost);
  EXPECT_EQ(header(one).sequence, 1u);
}

TEST_F(Events, AQueueIsKeptByItsOpenDescriptorAndThereIsOneOfAType) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  const std::uint32_t queue = c.made;
  EXPECT_EQ(c.veventq(viommu, 8), EEXIST);
  EXPECT_EQ(c.destroy(queue), EBUSY);
  c.channels.last_queue->open = false;
  EXPECT_EQ(c.destroy(viommu), EBUSY);
  EXPECT_EQ(c.destroy(queue), 0);
  EXPECT_EQ(c.unit.last_viommu->events, nullptr);
}

TEST_F(Events, ADepthOfZeroOrBeyondTheLimitIsEINVAL) {
  EXPECT_EQ(c.veventq(viommu, 0), EINVAL);
  EXPECT_EQ(c.veventq(viommu, (1U << 19) + 1), EINVAL);
  EXPECT_EQ(c.veventq(99, 8), ENOENT);
}

} // namespace
} // namespace sluice::iommufd::test

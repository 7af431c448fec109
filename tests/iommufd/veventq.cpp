#include "fakes.hpp"

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
  u::VeventHeader header(std::size_t i) {
    u::VeventHeader h{};
    std::memcpy(&h, c.channels.last->sent.at(i).data(), sizeof h);
    return h;
  }
};

TEST_F(Events, ArriveInOrderWithTheirSequence) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  happen(0x10);
  happen(0x13);
  ASSERT_EQ(c.channels.last->sent.size(), 2u);
  EXPECT_EQ(c.channels.last->sent[0].size(), 40u);
  EXPECT_EQ(c.channels.last->sent[1][8], std::byte{0x13});
  EXPECT_EQ(header(0).sequence, 0u);
  EXPECT_EQ(header(1).sequence, 1u);
}

TEST_F(Events, BeyondTheDepthBecomeOneHeaderOfLossWithTheLatestSequence) {
  ASSERT_EQ(c.veventq(viommu, 2), 0);
  c.channels.last->full = true;
  for (int i = 0; i < 5; ++i) {
    happen(0x10);
  }
  c.channels.last->full = false;
  c.channels.user->on_room();
  ASSERT_EQ(c.channels.last->sent.size(), 3u);
  EXPECT_EQ(c.channels.last->sent[2].size(), 8u);
  EXPECT_EQ(header(2).flags, u::vevent_lost);
  EXPECT_EQ(header(2).sequence, 4u);
}

TEST_F(Events, AHeaderOfLossGoesWhenARealEventFollowsIt) {
  ASSERT_EQ(c.veventq(viommu, 1), 0);
  happen(0x10);
  c.channels.last->full = true;
  happen(0x10); // lost
  c.channels.last->sent.clear();
  happen(0x13);
  c.channels.last->full = false;
  c.channels.user->on_room();
  ASSERT_EQ(c.channels.last->sent.size(), 1u);
  EXPECT_EQ(header(0).flags, 0u);
  EXPECT_EQ(header(0).sequence, 2u);
}

TEST_F(Events, AQueueIsKeptByItsOpenDescriptorAndThereIsOneOfAType) {
  ASSERT_EQ(c.veventq(viommu, 8), 0);
  const std::uint32_t queue = c.made;
  EXPECT_EQ(c.veventq(viommu, 8), EEXIST);
  EXPECT_EQ(c.destroy(queue), EBUSY);
  c.channels.last->open = false;
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

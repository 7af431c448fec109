#include "rig.hpp"

// A guest's devices on another HWPT of the same memory.
namespace sluice::vsmmu::test {
namespace {

using namespace arch;

class Move : public Rig {
protected:
  static constexpr std::uint32_t next = 6; // an HWPT of the same memory

  void SetUp() override {
    Rig::SetUp();
    start();
    ASSERT_TRUE(smmu->add_device({device + 1, 8, sid + 1}));
    put_ste(sid, stage1_ste());
    put_ste(sid + 1, config_ste(SteConfig::bypass));
    send({cmd::cfgi_all(), cmd::sync(SyncSignal::none)});
    ASSERT_EQ(smmu->place_of(sid), Place::stage1);
    ASSERT_EQ(smmu->place_of(sid + 1), Place::bypass);
    kernel.attachments.clear();
    kernel.invalidations.clear();
  }
  std::size_t count(const std::string& kind) const {
    return static_cast<std::size_t>(
        std::count_if(kernel.live.begin(), kernel.live.end(), [&](const auto& o) { return o.second == kind; }));
  }
  SteWords attached_words(int fd) const { return kernel.nested.at(kernel.attached.at(fd)); }
};

TEST_F(Move, EachDeviceIsReplacedOnceAndMeansTheSame) {
  const std::uint32_t before = kernel.attached[device];
  ASSERT_TRUE(smmu->move_to(next));
  EXPECT_EQ(kernel.attachments.size(), 2U) << "one replacement each, and no detour";
  EXPECT_NE(kernel.attached[device], before);
  EXPECT_EQ(attached_words(device), kernel.nested.at(before));
  EXPECT_EQ(smmu->place_of(sid), Place::stage1);
  EXPECT_EQ(smmu->place_of(sid + 1), Place::bypass);
}

TEST_F(Move, TheOldHostEndsWhenItsEventsHaveBeenTaken) {
  ASSERT_TRUE(smmu->move_to(next));
  EXPECT_EQ(count("viommu"), 2U);
  EXPECT_EQ(count("vdevice"), 2U);
  EXPECT_EQ(smmu->move_to(parent), base::Errc::busy);
  EXPECT_TRUE(smmu->forget_left());
  EXPECT_EQ(count("viommu"), 1U);
  EXPECT_EQ(count("veventq"), 1U);
  EXPECT_EQ(count("nested"), 3U) << "abort, bypass, and the one of stage 1";
  EXPECT_TRUE(smmu->move_to(parent));
}

TEST_F(Move, TheOldHostStaysWhileSomebodyHasADescriptorOfItsAndEndsAfterwards) {
  ASSERT_TRUE(smmu->move_to(next));
  kernel.queues_are_open = true;
  EXPECT_EQ(smmu->forget_left(), base::Errc::busy);
  EXPECT_EQ(smmu->move_to(parent), base::Errc::busy) << "it is not forgotten";
  kernel.queues_are_open = false;
  EXPECT_TRUE(smmu->forget_left());
  EXPECT_EQ(count("viommu"), 1U);
  EXPECT_TRUE(smmu->forget_left()) << "there is nothing left";
}

TEST_F(Move, WhatIsClosedWithAnOpenDescriptorEndsWithTheNextClose) {
  kernel.queues_are_open = true;
  EXPECT_EQ(smmu->close(), base::Errc::busy);
  EXPECT_EQ(kernel.attached[device], parent);
  EXPECT_EQ(count("vdevice") + count("nested"), 0U);
  EXPECT_EQ(count("viommu") + count("veventq"), 2U) << "what the descriptor holds";
  EXPECT_EQ(smmu->add_device({device, 7, sid}), base::Errc::busy) << "not on what is about to end";
  EXPECT_EQ(count("viommu") + count("veventq"), 2U);
  kernel.queues_are_open = false;
  EXPECT_TRUE(smmu->close());
  EXPECT_TRUE(kernel.live.empty());
  EXPECT_TRUE(smmu->close());
  ASSERT_TRUE(smmu->add_device({device, 7, sid})) << "and everything anew";
  EXPECT_EQ(smmu->place_of(sid), Place::stage1);
}

TEST_F(Move, InvalidationsGoToTheNewOne) {
  ASSERT_TRUE(smmu->move_to(next));
  EXPECT_TRUE(smmu->forget_left());
  send({cmd::tlbi_nh_all(0), cmd::sync(SyncSignal::none)});
  EXPECT_EQ(invalidated().back().get(Command::Opcode), Opcode::CMD_TLBI_NH_ALL);
  put_ste(sid, config_ste(SteConfig::abort));
  send({cmd::cfgi_ste(sid, true), cmd::sync(SyncSignal::none)});
  EXPECT_EQ(smmu->place_of(sid), Place::abort);
  EXPECT_FALSE(stopped());
}

// Whichever call fails, the guest's devices are where they were, and nothing of the new one is left.
TEST_F(Move, AnyCallMayFailAndNothingHasChanged) {
  const std::uint32_t before = kernel.attached[device];
  const auto names = kernel.names.size();
  const auto objects = kernel.live.size();
  std::uint64_t last = 0;
  for (std::uint64_t n = 1; n <= 12; ++n) {
    kernel.fail(n, Errno::no_memory);
    if (smmu->move_to(next)) { // but for an old HWPT that is left
      EXPECT_EQ(n, 10U);
      static_cast<void>(smmu->forget_left());
      ASSERT_TRUE(smmu->move_to(parent));
      static_cast<void>(smmu->forget_left());
      continue;
    }
    last = n;
    EXPECT_EQ(smmu->place_of(sid), Place::stage1) << n;
    EXPECT_EQ(smmu->place_of(sid + 1), Place::bypass) << n;
    EXPECT_EQ(attached_words(device), kernel.nested.at(before)) << n;
    EXPECT_EQ(kernel.names.size(), names) << n;
    EXPECT_LE(kernel.live.size(), objects + 1) << n;
  }
  // vIOMMU, probe, two HWPTs, queue; of the first device DESTROY, vDEVICE, HWPT, attach, DESTROY; of the second as
  // many.
  EXPECT_EQ(last, 12U);
}

TEST_F(Move, ADeviceThatCannotHaveItsNameBackAborts) {
  // open: vIOMMU, probe, two HWPTs, queue; then of the first device: DESTROY, VDEVICE_ALLOC, and that again.
  kernel.fail(7, Errno::no_memory, 2);
  EXPECT_FALSE(smmu->move_to(next));
  EXPECT_EQ(smmu->place_of(sid), Place::abort) << "nothing could be invalidated for it";
  EXPECT_EQ(smmu->place_of(sid + 1), Place::bypass);
}

} // namespace
} // namespace sluice::vsmmu::test

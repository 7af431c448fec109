#include "ats_engine.hpp"

namespace sluice::pcie {
namespace {

using arch::cmd::atc_inv;
using arch::cmd::atc_inv_pasid;
using model::test::s1_ro;
using model::test::s1_rw;

TEST_F(AtsEngineTest, WithoutATSEnableItsAccessesAreUntranslated) {
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x11u);
  EXPECT_EQ(counters().translated, 0u);
}

TEST_F(AtsEngineTest, WithATSEnableItAsksOnceAndGoesTranslated) {
  enable_ats();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(read(at_iova, value).complete());
  }
  EXPECT_EQ(value, 0x11u);
  EXPECT_EQ(counters().translation_requests, 1u);
  EXPECT_EQ(counters().translated, 3u);
}

TEST_F(AtsEngineTest, AWriteOfAReadOnlyPageIsNotMade) {
  enable_ats();
  rig.map(tree, at_iova + 0x1000, at_frame + 0x1000, s1_ro);
  EXPECT_TRUE(read(at_iova + 0x1000, value).complete());
  const auto report = write(at_iova + 0x1000, 5);
  ASSERT_TRUE(report.abort);
  EXPECT_EQ(counters().translated, 1u);
  EXPECT_EQ(rig.ram.get(at_frame + 0x1000), 0u);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(AtsEngineTest, WhatIsCachedIsUsedUntilItIsInvalidated) {
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  rig.map(tree, at_iova, at_frame + 0x1000, s1_rw);
  rig.ram.put(at_frame + 0x1000, 0x22);
  rig.run({arch::cmd::tlbi_nsnh_all()});
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x11u);
  rig.run({atc_inv(sid, at_iova + 0x1000, 0)});
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x11u) << "another page";
  rig.run({atc_inv(sid + 1, at_iova, 0)});
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x11u) << "another stream";
  rig.run({atc_inv(sid, at_iova, 0)});
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x22u);
}

TEST_F(AtsEngineTest, SwitchedOffItUsesNothingAndSwitchedOnItKnowsNothing) {
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  driver().disable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translated, 1u);
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translation_requests, 2u);
}

TEST_F(AtsEngineTest, ASlowEndpointHoldsUpTheSYNC) {
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  engine.ats()->set_manner(Ats::Manner::slow);
  rig.submit(atc_inv(sid, at_iova, 0));
  rig.submit(arch::cmd::sync());
  EXPECT_FALSE(rig.drained());
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translation_requests, 1u) << "without effect until it completes";
  engine.ats()->complete_all();
  EXPECT_TRUE(rig.drained());
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translation_requests, 2u);
}

TEST_F(AtsEngineTest, ALostCompletionDoesNotComplete) {
  enable_ats();
  engine.ats()->set_manner(Ats::Manner::loses);
  rig.submit(atc_inv(sid, at_iova, 0));
  rig.submit(arch::cmd::sync());
  engine.ats()->complete_all();
  EXPECT_FALSE(rig.drained());
}

TEST_F(AtsEngineTest, AnEngineWithoutATSDoesNotSupportInvalidations) {
  CopyEngine plain{{sid, sid}};
  EXPECT_EQ(plain.invalidate_atc({.stream_id = sid}), model::AtcAnswer::unsupported);
  EXPECT_EQ(plain.ats(), nullptr);
}

TEST_F(AtsEngineTest, AResetForgetsEverything) {
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  engine.reset();
  EXPECT_FALSE(driver().ats_enabled());
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translation_requests, 2u);
}

// Contexts
class AtsContexts : public AtsEngineTest {
protected:
  AtsContexts() {
    const std::uint64_t cds = rig.ram.alloc(64 * 64, 4096);
    for (std::uint32_t pasid = 1; pasid < 4; ++pasid) {
      trees[pasid] = rig.tree();
      rig.put(cds + pasid * 64, rig.cd(trees[pasid], static_cast<std::uint16_t>(pasid)));
      rig.map(trees[pasid], at_iova, at_frame + pasid * 0x1000, s1_rw);
      rig.ram.put(at_frame + pasid * 0x1000, 0x100 + pasid);
      engine.set_context(pasid + 8, pasid);
    }
    rig.put_ste(sid, rig.full(rig.stage1_ste(cds)).set(arch::Ste::S1CDMax, 6));
  }
  model::test::Tree trees[4];
};

TEST_F(AtsContexts, EachGoesByItsOwnPASID) {
  ASSERT_TRUE(driver().enable_pasid(false, false).ok());
  for (const bool ats : {false, true}) {
    if (ats) {
      enable_ats();
    }
    for (unsigned pasid = 1; pasid < 4; ++pasid) {
      EXPECT_TRUE(read(at_iova, value, pasid + 8).complete());
      EXPECT_EQ(value, 0x100 + pasid);
    }
  }
  EXPECT_EQ(counters().translation_requests, 3u);
}

TEST_F(AtsContexts, AnInvalidationOfOnePASIDLeavesTheOthers) {
  ASSERT_TRUE(driver().enable_pasid(false, false).ok());
  enable_ats();
  const auto requests_after = [&](const arch::Command& c) {
    for (unsigned pasid = 1; pasid < 4; ++pasid) {
      EXPECT_TRUE(read(at_iova, value, pasid + 8).complete());
    }
    const auto before = counters().translation_requests;
    rig.run({c});
    for (unsigned pasid = 1; pasid < 4; ++pasid) {
      EXPECT_TRUE(read(at_iova, value, pasid + 8).complete());
    }
    return counters().translation_requests - before;
  };
  EXPECT_EQ(requests_after(atc_inv_pasid(sid, 2, 0, 52)), 1u);
  EXPECT_EQ(requests_after(atc_inv(sid, 0, 52)), 0u) << "of accesses without PASID";
  EXPECT_EQ(requests_after(atc_inv_pasid(sid, 2, 0, 52, true)), 3u);
}

TEST_F(AtsContexts, WithoutPASIDEnableOrAPASIDNothingIsIssued) {
  EXPECT_TRUE(read(at_iova, value, 9).no_pasid);
  ASSERT_TRUE(driver().enable_pasid(false, false).ok());
  EXPECT_TRUE(read(at_iova, value, 2).no_pasid) << "a context that has none";
  EXPECT_TRUE(read(at_iova, value, 99).no_pasid);
  engine.set_context(2, 0x100); // 8 bits
  EXPECT_TRUE(read(at_iova, value, 2).no_pasid);
  EXPECT_EQ(counters().faults, 0u);
}

TEST_F(AtsContexts, AJobIsDoneInItsContext) {
  ASSERT_TRUE(driver().enable_pasid(false, false).ok());
  enable_ats();
  rig.map(trees[2], at_iova + 0x1000, at_frame + 0x8000, s1_rw);
  EXPECT_TRUE(engine.copy(*rig.port, {at_iova, at_iova + 0x1000, 0x1000, 10}).complete());
  EXPECT_EQ(rig.ram.get(at_frame + 0x8000), 0x102u);
}

} // namespace
} // namespace sluice::pcie

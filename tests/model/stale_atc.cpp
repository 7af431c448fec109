#include "ats.hpp"

namespace sluice::model::test {
namespace {

using namespace arch::cmd;

Knobs watching_atcs(unsigned after = 1) {
  Knobs knobs;
  knobs.watch_stale = true;
  knobs.stale_after_syncs = after;
  return knobs;
}

// Stream 3 with full ATS: without a PASID by its first CD, with PASID 1 by its second. An endpoint that keeps what it
// got for `va`, whatever happens.
struct StaleAtcTest : testing::Test {
  explicit StaleAtcTest(unsigned after = 1) : rig{AtsRig::with_ats(), watching_atcs(after)} {
    cds = rig.ram.alloc(256, 256);
    tree = rig.tree();
    other_tree = rig.tree();
    rig.put(cds, rig.cd(tree, 1));
    rig.put(cds + 64, rig.cd(other_tree, 2));
    rig.put_ste(3, rig.full(rig.stage1_ste(cds)).set(Ste::S1CDMax, 2).set(Ste::S1DSS, arch::S1Dss::cd0));
    rig.map(tree, va, pa, s1_rw);
    rig.map(other_tree, va, pa, s1_rw);
    rig.run({cfgi_all(), tlbi_nsnh_all()});
  }
  // Fills the SMMU's caches, as asking does.
  void ask(std::optional<std::uint32_t> ssid = {}) {
    rig.completion({.stream_id = 3, .substream_id = ssid, .address = va});
  }
  void use(std::optional<std::uint32_t> ssid = {}, std::uint64_t address = pa, bool write = false) {
    std::uint64_t data = 0;
    Port::Burst burst{*rig.port};
    const Request r{.stream_id = 3, .substream_id = ssid, .address = address, .size = 8, .write = write};
    EXPECT_TRUE(burst.access_translated(r, &data, va).served());
  }
  void syncs(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      rig.run({});
    }
  }
  std::vector<StaleUse> uses() { return rig.smmu->stale_uses().latest; }
  std::vector<StaleUse> used_on(std::optional<std::uint32_t> ssid = {}, std::uint64_t address = pa,
                                bool write = false) {
    use(ssid, address, write);
    syncs(4);
    use(ssid, address, write);
    return uses();
  }
  // As software does it, but for the CMD_ATC_INV.
  void move() {
    rig.map(tree, va, other_pa, s1_rw);
    rig.map(other_tree, va, other_pa, s1_rw);
    rig.run({tlbi_nsnh_all()});
  }

  static constexpr std::uint64_t va = 0x4000'3000, pa = 0x10'0000, other_pa = 0x20'0000;
  AtsRig rig;
  std::uint64_t cds{};
  Tree tree, other_tree;
};

TEST_F(StaleAtcTest, WhatTheTablesHoldIsNoStaleUse) {
  ask();
  EXPECT_TRUE(used_on().empty());
}

TEST_F(StaleAtcTest, APageThatMovedIsNamedWithTheCommandThatIsMissing) {
  ask();
  move();
  const auto stale = used_on();
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].kind, StaleKind::atc);
  EXPECT_EQ(stale[0].stream_id, 3u);
  EXPECT_EQ(stale[0].substream_id, std::nullopt);
  EXPECT_EQ(stale[0].address, va);
  EXPECT_EQ(stale[0].cached, pa);
  EXPECT_EQ(stale[0].memory, other_pa);
  EXPECT_EQ(stale[0].missing, atc_inv(3, va, 0));
}

TEST_F(StaleAtcTest, WithAPASIDThatIsNamedToo) {
  ask(1);
  move();
  const auto stale = used_on(1);
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].substream_id, 1u);
  EXPECT_EQ(stale[0].missing, atc_inv_pasid(3, 1, va, 0));
}

TEST_F(StaleAtcTest, AnUnmappedPageHasNoValueInMemory) {
  rig.ram.put(rig.slot(tree, va, 3), 0);
  const auto stale = used_on();
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].memory, std::nullopt);
}

TEST_F(StaleAtcTest, ARightThatWasTakenAwayCountsForWhoUsesIt) {
  rig.map(tree, va, pa, s1_ro);
  EXPECT_TRUE(used_on().empty()) << "a read";
  EXPECT_EQ(used_on({}, pa, true).size(), 1u) << "a write";
}

TEST_F(StaleAtcTest, ACDThatIsNoLongerThereMakesItStale) {
  rig.put(cds, Cd{});
  rig.run({cfgi_cd(3, 0, true)});
  EXPECT_EQ(used_on().size(), 1u);
}

TEST_F(StaleAtcTest, SoftwareHasThreeSYNCsBeforeItsInvalidation) {
  move();
  use();
  syncs(3);
  use();
  EXPECT_TRUE(uses().empty());
  syncs(1);
  use();
  EXPECT_EQ(uses().size(), 1u);
}

TEST_F(StaleAtcTest, ACommandInTheQueueIsOutstanding) {
  move();
  use();
  syncs(4);
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::cmdqen);
  rig.submit(atc_inv(3, va, 0));
  use();
  EXPECT_TRUE(uses().empty());
}

struct Invalidation {
  const char* name;
  arch::Command command;
  bool without_pasid, with_pasid; // what it is about
};
void PrintTo(const Invalidation& i, std::ostream* out) { *out << i.name; }

// 4.5.1
class StaleAtcInvalidation : public StaleAtcTest, public testing::WithParamInterface<Invalidation> {};

TEST_P(StaleAtcInvalidation, CoversWhatItIsAbout) {
  move();
  for (const auto& [ssid, covered] : {std::pair{std::optional<std::uint32_t>{}, GetParam().without_pasid},
                                      {std::optional<std::uint32_t>{1}, GetParam().with_pasid}}) {
    const std::size_t before = uses().size();
    use(ssid);
    syncs(4);
    rig.run({GetParam().command});
    use(ssid);
    EXPECT_EQ(uses().size() - before, covered ? 0u : 1u) << ssid.value_or(0);
  }
}

const Invalidation atc_invalidations[] = {
    {"OfThePage", atc_inv(3, 0x4000'3000, 0), true, false},
    {"OfARangeWithThePage", atc_inv(3, 0x4000'0000, 2), true, false},
    {"OfTheNextPage", atc_inv(3, 0x4000'4000, 0), false, false},
    {"OfEverything", atc_inv(3, 0, arch::atc_inv_size_all), true, false},
    {"OfAnotherStream", atc_inv(4, 0, arch::atc_inv_size_all), false, false},
    {"OfThePASID", atc_inv_pasid(3, 1, 0x4000'3000, 0), false, true},
    {"OfAnotherPASID", atc_inv_pasid(3, 2, 0x4000'3000, 0), false, false},
    {"OfEveryPASID", atc_inv_pasid(3, 2, 0x4000'3000, 0, true), false, true},
    {"OfTheSTE", cfgi_ste(3, true), false, false},
    {"OfAllTLBs", tlbi_nsnh_all(), false, false},
};
INSTANTIATE_TEST_SUITE_P(Each, StaleAtcInvalidation, testing::ValuesIn(atc_invalidations),
                         [](const auto& test) { return test.param.name; });

TEST_F(StaleAtcTest, WhereTheTLBHasItStillItIsTheTLBIThatIsMissing) {
  ask();
  rig.map(tree, va, other_pa, s1_rw);
  const auto stale = used_on();
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].kind, StaleKind::translation);
  EXPECT_EQ(stale[0].missing.get(Command::Opcode), arch::Opcode::CMD_TLBI_NH_VA);
}

TEST_F(StaleAtcTest, AnAnswerFromAStaleTLBIsAUse) {
  ask();
  rig.map(tree, va, other_pa, s1_rw);
  ask();
  rig.run({});
  ask();
  ASSERT_EQ(uses().size(), 1u);
  EXPECT_EQ(uses()[0].missing.get(Command::Opcode), arch::Opcode::CMD_TLBI_NH_VA);
  EXPECT_EQ(uses()[0].address, va);
}

// 3.9.1.3: with EATS 0b10 an ATC holds IPAs.
TEST_F(StaleAtcTest, OfASplitStageStreamOnlyStage1Counts) {
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, 0, 0, s2_rw, 1);
  rig.map(s2, 0x4000'0000, pa, s2_rw);
  rig.map(tree, va, 0x4000'0000, s1_rw);
  rig.put_ste(3, rig.split(rig.nested(rig.stage1_ste(cds), rig.stage2_ste(s2))));
  rig.run({cfgi_all(), tlbi_nsnh_all()});
  EXPECT_TRUE(used_on({}, 0x4000'0000).empty());
  rig.map(s2, 0x4000'0000, other_pa, s2_rw);
  rig.run({tlbi_nsnh_all()});
  EXPECT_TRUE(used_on({}, 0x4000'0000).empty()) << "the IPA is as it was";
  rig.map(s2, 0x4000'1000, pa, s2_rw);
  rig.map(tree, va, 0x4000'1000, s1_rw);
  rig.run({tlbi_nsnh_all()});
  const auto stale = used_on({}, 0x4000'0000);
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].memory, 0x4000'1000u);
}

TEST_F(StaleAtcTest, WithoutTheAddressThatWasTranslatedNothingCanBeSaid) {
  move();
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_TRUE(rig.read_translated(3, pa).served());
    syncs(4);
  }
  EXPECT_TRUE(uses().empty());
}

struct StrictStaleAtcTest : StaleAtcTest {
  StrictStaleAtcTest() : StaleAtcTest{0} {}
};

TEST_F(StrictStaleAtcTest, WithoutGraceTheFirstUseCounts) {
  move();
  use();
  EXPECT_EQ(uses().size(), 1u);
}

} // namespace
} // namespace sluice::model::test

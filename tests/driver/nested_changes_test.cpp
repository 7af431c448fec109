#include "nested.hpp"

namespace sluice::test {
namespace {

using arch::Command;
using arch::Opcode;
using arch::Ste;
using arch::SteConfig;
namespace cmd = arch::cmd;

// Changes

TEST_F(Nested, BetweenStage1BypassAbortAndTheParentOneWordDecides) {
  iommu::Domain* all[] = {&make_nested(guest_stage1()),
                          &make_nested(guest_config(SteConfig::bypass)),
                          &make_nested(guest_config(SteConfig::abort)),
                          parent,
                          &m.smmu->identity(),
                          &m.smmu->blocked()};
  ASSERT_TRUE(device->attach(*parent).ok());
  for (auto* from : all) {
    for (auto* to : all) {
      ASSERT_TRUE(device->replace(*from).ok());
      const auto change = device->replace(*to, {}, {.require_hitless = true});
      ASSERT_TRUE(change.ok());
      EXPECT_TRUE(change->hitless);
    }
  }
  EXPECT_EQ(m.smmu->counters().changes_swung, 0U);
  EXPECT_EQ(m.smmu->counters().changes_disruptive, 0U);
}

TEST_F(Nested, AnotherCdTableOfTheGuestIsOneStore) {
  auto& a = make_nested(guest_stage1(0x1000));
  auto& b = make_nested(guest_stage1(0x2000));
  ASSERT_TRUE(device->attach(a).ok());
  const auto change = device->replace(b, {}, {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->stores, 1U);
  EXPECT_EQ(ste().get(Ste::S1ContextPtr), 0x2000U);
}

TEST_F(Nested, AChangeOfTwoWordsSwings) {
  auto& a = make_nested(guest_stage1().with(Ste::S1CDMax, 4));
  auto& b = make_nested(guest_stage1(0x2000).with(Ste::S1CDMax, 4).with(Ste::S1DSS, arch::S1Dss::bypass));
  ASSERT_TRUE(device->attach(a).ok());
  const auto change = device->replace(b, {}, {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(m.smmu->counters().changes_swung, 1U);
}

TEST_F(Nested, WithoutSubstreamsS1dssDecidesNothing) {
  auto& a = make_nested(guest_stage1());
  auto& b = make_nested(guest_stage1(0x2000).with(Ste::S1DSS, arch::S1Dss::bypass));
  ASSERT_TRUE(device->attach(a).ok());
  ASSERT_TRUE(device->replace(b, {}, {.require_hitless = true}).ok());
  EXPECT_EQ(m.smmu->counters().changes_swung, 0U);
}

TEST_F(Nested, TheVmidLeavesTheTlbsWithItsLastDevice) {
  auto& second = m.add({0x43});
  ASSERT_TRUE(second.attach(*parent).ok());
  ASSERT_TRUE(device->attach(make_nested(guest_stage1())).ok());
  m.fake.forget();
  ASSERT_TRUE(second.detach().ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_S12_VMALL), 0U);
  ASSERT_TRUE(device->detach().ok());
  const auto commands = sent();
  ASSERT_FALSE(commands.empty());
  EXPECT_EQ(commands.back(), cmd::tlbi_s12_vmall(parent->tag().id));
}

struct StoppedNested : Nested {
  StoppedNested() : Nested{until_it_has_stopped} {}
};

TEST_F(StoppedNested, AChangeThatIsNotConfirmedRetiresTheParentsTag) {
  ASSERT_TRUE(device->attach(make_nested(guest_stage1())).ok());
  m.fake.stopped = true;
  const auto change = device->detach();
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->confirmed);
  m.fake.go_on();
  TearDown();
  nested.clear();
  viommu = nullptr;
  ASSERT_TRUE(m.destroy(*parent));
  EXPECT_TRUE(m.logged(driver::Code::tag_retired));
}

// 4.4: TLBI_S2_IPA is not enough for what both stages have made.

TEST_F(Nested, AnUnmapOfTheParentReachesTranslationsOfBothStages) {
  ASSERT_TRUE(device->attach(make_nested(guest_stage1())).ok());
  ASSERT_TRUE(parent->map(0x1000, 0x4000'0000, 0x1000, iommu::prot::read_write).ok());
  ASSERT_TRUE(parent->map(0x8000, 0x4000'0000, 0x1000, iommu::prot::read_write).ok());
  m.fake.forget();
  ASSERT_TRUE(parent->unmap(0x1000, 0x1000).ok());
  const auto commands = m.fake.commands();
  ASSERT_EQ(commands.size(), 4U);
  EXPECT_EQ(commands[0].get(Command::Opcode), Opcode::CMD_TLBI_S2_IPA);
  EXPECT_EQ(commands[1], cmd::sync()) << "before it a walk may still use the old second stage";
  EXPECT_EQ(commands[2], cmd::tlbi_nh_all(parent->tag().id));
  EXPECT_EQ(commands[3], cmd::sync());
}

TEST_F(Nested, AndThatWhateverTheNumberOfPages) {
  Machine pages;
  pages.fake.id(pages.fake.get<arch::IDR3>().with(arch::IDR3::RIL, 0));
  ASSERT_TRUE(pages.start());
  auto& d = pages.add({1});
  auto domain = pages.try_paging({.nest_parent = true});
  ASSERT_TRUE(d.attach(**domain).ok());
  for (const std::uint64_t count : {63U, 64U, 65U}) {
    ASSERT_TRUE((*domain)->map(0x4000'1000, 0x8000'0000, count * 0x1000, iommu::prot::read_write).ok());
    pages.fake.forget();
    ASSERT_TRUE((*domain)->unmap(0x4000'1000, count * 0x1000).ok());
    const auto commands = pages.fake.commands();
    const bool all = commands[0].get(Command::Opcode) == Opcode::CMD_TLBI_S12_VMALL; // both stages
    EXPECT_EQ(all, count == 65U);
    EXPECT_EQ(pages.fake.count(Opcode::CMD_TLBI_NH_ALL), all ? 0U : 1U);
    EXPECT_EQ(commands.size(), all ? 2U : count + 3U);
  }
}

TEST_F(Nested, AnUnmapOfAnotherStage2DomainHasOneSync) {
  auto& plain = m.paging(iommu::Stage::second);
  auto& second = m.add({0x43});
  ASSERT_TRUE(second.attach(plain).ok());
  ASSERT_TRUE(plain.map(0x1000, 0x4000'0000, 0x1000, iommu::prot::read_write).ok());
  m.fake.forget();
  ASSERT_TRUE(plain.unmap(0x1000, 0x1000).ok());
  EXPECT_EQ(m.fake.commands().size(), 2U);
}

} // namespace
} // namespace sluice::test

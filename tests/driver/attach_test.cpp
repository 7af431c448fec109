#include "machine.hpp"

namespace sluice::test {
namespace {

using arch::Cd;
using arch::Command;
using arch::Opcode;
using arch::Ste;
using arch::SteConfig;
using driver::Code;
using iommu::Gap;
using iommu::Stage;

struct Attach : testing::Test {
  void SetUp() override { ASSERT_TRUE(m.start()); }
  SteConfig config(StreamID sid) { return m.ste(sid)->get(Ste::Config); }
  Machine m;
};

TEST_F(Attach, ANewDeviceIsBlocked) {
  m.add({0x42});
  ASSERT_TRUE(m.ste(0x42));
  EXPECT_EQ(m.ste(0x42)->get(Ste::V), 1U);
  EXPECT_EQ(config(0x42), SteConfig::abort);
}

TEST_F(Attach, ItsWholeLeafIsBlocked) {
  m.add({0x142});
  for (StreamID sid = 0x100; sid < 0x200; ++sid) {
    EXPECT_EQ(config(sid), SteConfig::abort);
  }
  EXPECT_FALSE(m.ste(0x42));
}

TEST_F(Attach, TheLeafIsMadeKnownByItsFirstDevice) {
  m.fake.forget();
  m.add({0x142});
  ASSERT_EQ(m.fake.commands().size(), 2U);
  EXPECT_EQ(m.fake.commands()[0].get(Command::Opcode), Opcode::CMD_CFGI_STE);
  EXPECT_EQ(m.fake.commands()[0].get(Command::Leaf), 0U);
  m.fake.forget();
  m.add({0x143});
  EXPECT_TRUE(m.fake.commands().empty());
}

TEST_F(Attach, AStage1DomainIsReachedThroughACd) {
  auto& device = m.add({0x42});
  auto& domain = m.paging();
  const auto change = device.attach(domain);
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->hitless);
  EXPECT_TRUE(change->confirmed);
  EXPECT_EQ(config(0x42), SteConfig::stage1);
  const auto cd = m.cd(0x42);
  ASSERT_TRUE(cd);
  EXPECT_EQ(cd->get(Cd::V), 1U);
  EXPECT_EQ(cd->get(Cd::AA64), 1U);
  EXPECT_EQ(cd->get(Cd::EPD1), 1U);
  EXPECT_EQ(cd->get(Cd::A), 1U);
  EXPECT_EQ(cd->get(Cd::R), 1U);
  EXPECT_EQ(cd->get(Cd::ASID), domain.tag().id);
  EXPECT_NE(cd->get(Cd::ASID), 0U);
  EXPECT_EQ(cd->get(Cd::TTB0), domain.table().fields().TTB);
}

TEST_F(Attach, AStage2DomainIsInTheSte) {
  auto& device = m.add({0x42});
  auto& domain = m.paging(Stage::second);
  ASSERT_TRUE(device.attach(domain).ok());
  const auto ste = m.ste(0x42);
  EXPECT_EQ(ste->get(Ste::Config), SteConfig::stage2);
  EXPECT_EQ(ste->get(Ste::S2VMID), domain.tag().id);
  EXPECT_NE(ste->get(Ste::S2VMID), 0U);
  EXPECT_EQ(ste->get(Ste::S2TTB), domain.table().fields().TTB);
  EXPECT_EQ(ste->get(Ste::S2AA64), 1U);
  EXPECT_EQ(ste->get(Ste::S2R), 1U);
  EXPECT_EQ(ste->get(Ste::S2S), 0U);
}

TEST_F(Attach, IdentityBypasses) {
  auto& device = m.add({0x42});
  ASSERT_TRUE(device.attach(m.smmu->identity()).ok());
  EXPECT_EQ(config(0x42), SteConfig::bypass);
  EXPECT_EQ(m.ste(0x42)->get(Ste::SHCFG), arch::ShareabilityOverride::incoming);
}

TEST_F(Attach, WithIdleIdentityADeviceBypassesUntilItIsAttached) {
  Machine other;
  auto wish = Machine::quick();
  wish.idle = driver::Idle::identity;
  ASSERT_TRUE(other.start(wish));
  auto& device = other.add({7});
  EXPECT_EQ(other.ste(7)->get(Ste::Config), SteConfig::bypass);
  auto& domain = other.paging(Stage::second);
  ASSERT_TRUE(device.attach(domain).ok());
  ASSERT_TRUE(device.detach().ok());
  EXPECT_EQ(other.ste(7)->get(Ste::Config), SteConfig::bypass);
  ASSERT_TRUE(other.remove(device));
  EXPECT_EQ(other.ste(7)->get(Ste::Config), SteConfig::abort) << "a removed device is blocked";
}

TEST_F(Attach, DetachBlocksAndFreesTheCdTable) {
  auto& device = m.add({0x42});
  auto& domain = m.paging();
  const auto live = m.port.memory.counts().dma_blocks;
  ASSERT_TRUE(device.attach(domain).ok());
  ASSERT_TRUE(device.detach().ok());
  EXPECT_EQ(config(0x42), SteConfig::abort);
  EXPECT_EQ(m.port.memory.counts().dma_blocks, live);
}

TEST_F(Attach, AFreedTagHasBeenInvalidated) {
  for (const auto stage : {Stage::first, Stage::second}) {
    auto& device = m.add({0x42});
    auto& domain = m.paging(stage);
    ASSERT_TRUE(device.attach(domain).ok());
    m.fake.forget();
    ASSERT_TRUE(device.detach().ok());
    const auto opcode = stage == Stage::first ? Opcode::CMD_TLBI_NH_ASID : Opcode::CMD_TLBI_S12_VMALL;
    EXPECT_EQ(m.fake.count(opcode), 1U);
    EXPECT_EQ(m.fake.commands().back().get(Command::Opcode), Opcode::CMD_SYNC);
    ASSERT_TRUE(m.destroy(domain));
    ASSERT_TRUE(m.remove(device));
  }
}

TEST_F(Attach, ATagIsInvalidatedWhenItsLastDeviceLeaves) {
  auto& first = m.add({1});
  auto& second = m.add({2});
  auto& domain = m.paging();
  ASSERT_TRUE(first.attach(domain).ok());
  ASSERT_TRUE(second.attach(domain).ok());
  EXPECT_EQ(domain.users(), 2U);
  m.fake.forget();
  ASSERT_TRUE(first.detach().ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_ASID), 0U);
  ASSERT_TRUE(second.detach().ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_ASID), 1U);
}

TEST_F(Attach, AnAttachedDomainIsNotDestroyed) {
  auto& device = m.add({0x42});
  auto& domain = m.paging();
  ASSERT_TRUE(device.attach(domain).ok());
  EXPECT_EQ(m.destroy(domain), Errc::in_use);
  ASSERT_TRUE(device.detach().ok());
  EXPECT_TRUE(m.destroy(domain));
}

TEST_F(Attach, TheStaticDomainsAreNotDestroyed) {
  EXPECT_EQ(m.smmu->identity().destroy(), Errc::in_use);
  EXPECT_EQ(m.smmu->blocked().destroy(), Errc::in_use);
}

TEST_F(Attach, Stage1ToStage1IsOneStoreAndOneSyncBesideTheOldTags) {
  auto& device = m.add({0x42});
  auto& a = m.paging();
  auto& b = m.paging();
  ASSERT_TRUE(device.attach(a).ok());
  m.fake.forget();
  const auto change = device.replace(b);
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->hitless);
  EXPECT_EQ(change->stores, 1U);
  EXPECT_EQ(change->syncs, 2U); // CFGI_STE; TLBI_NH_ASID of a
  EXPECT_EQ(change->commands, 4U);
  EXPECT_EQ(m.fake.count(Opcode::CMD_CFGI_STE), 1U);
  EXPECT_EQ(m.cd(0x42)->get(Cd::ASID), b.tag().id);
}

TEST_F(Attach, Stage1ToStage2SwingsACopyOfTheLeaf) {
  auto& device = m.add({0x42});
  auto& neighbour = m.add({0x43});
  auto& a = m.paging();
  auto& b = m.paging(Stage::second);
  ASSERT_TRUE(device.attach(a).ok());
  ASSERT_TRUE(neighbour.attach(a).ok());
  const auto neighbours = *m.ste(0x43);
  const auto live = m.port.memory.counts().dma_blocks;
  m.fake.forget();
  const auto change = device.replace(b, {}, {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->hitless);
  EXPECT_EQ(m.smmu->counters().changes_swung, 1U);
  ASSERT_EQ(m.fake.commands().size(), 2U);
  EXPECT_EQ(m.fake.commands()[0], arch::cmd::cfgi_ste_range(0, 7)); // all 256 StreamIDs
  EXPECT_EQ(config(0x42), SteConfig::stage2);
  EXPECT_EQ(*m.ste(0x43), neighbours);
  EXPECT_EQ(m.port.memory.counts().dma_blocks, live - 1) << "the CD table; the leaf before is freed, its copy is not";
}

TEST_F(Attach, With128BitStoresStage2ToStage2IsOne) {
  Machine wide{{.facts = {.atomic128 = true}}};
  ASSERT_TRUE(wide.start());
  auto& device = wide.add({1});
  ASSERT_TRUE(device.attach(wide.paging(Stage::second)).ok());
  const auto change = device.replace(wide.paging(Stage::second), {}, {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->stores, 1U);
  EXPECT_EQ(wide.smmu->counters().changes_store128, 1U);
}

struct LinearTable : Attach {
  void SetUp() override {
    auto wish = Machine::quick();
    wish.linear_stream_table = true;
    ASSERT_TRUE(m.start(wish));
  }
};

TEST_F(LinearTable, AChangeOfTwoWordsIsReportedAsDisruptive) {
  auto& device = m.add({0x42});
  ASSERT_TRUE(device.attach(m.paging()).ok());
  const auto change = device.replace(m.paging(Stage::second));
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->hitless);
  EXPECT_EQ(change->gap, Gap::no_indirection);
  EXPECT_EQ(m.smmu->counters().changes_disruptive, 1U);
  EXPECT_TRUE(m.logged(Code::change_disruptive));
  EXPECT_EQ(config(0x42), SteConfig::stage2);
}

TEST_F(LinearTable, AndRefusedBeforehandToWhoAskedForHitless) {
  auto& device = m.add({0x42});
  auto& a = m.paging();
  auto& b = m.paging(Stage::second);
  ASSERT_TRUE(device.attach(a).ok());
  const auto before = *m.ste(0x42);
  m.fake.forget();
  EXPECT_EQ(device.replace(b, {}, {.require_hitless = true}), Errc::not_hitless);
  EXPECT_TRUE(m.fake.seen().empty());
  EXPECT_EQ(*m.ste(0x42), before);
  EXPECT_EQ(device.attached(), &a);
  EXPECT_EQ(b.users(), 0U);
}

TEST_F(Attach, WithoutThePortsPromiseASwingIsNotHitless) {
  Machine m2{{.facts = {.entry_from_place = false}}};
  ASSERT_TRUE(m2.start());
  auto& device = m2.add({1});
  ASSERT_TRUE(device.attach(m2.paging()).ok());
  EXPECT_EQ(device.replace(m2.paging(Stage::second), {}, {.require_hitless = true}), Errc::not_hitless);
  const auto change = device.replace(m2.paging(Stage::second));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->gap, Gap::split_fetch);
}

TEST_F(Attach, AllStreamIdsOfADeviceMoveTogether) {
  auto& device = m.add({0x210, 0x10, 0x11, 0x10});
  EXPECT_EQ(device.sids().size(), 3U) << "the same one twice is one";
  ASSERT_TRUE(device.attach(m.paging()).ok());
  const auto change = device.replace(m.paging(Stage::second), {}, {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->stores, 2U) << "one L1STD for each of two leaves";
  for (const StreamID sid : {0x10U, 0x11U, 0x210U}) {
    EXPECT_EQ(config(sid), SteConfig::stage2);
  }
}

TEST_F(Attach, AStreamIdOfAnotherDeviceIsRefusedWithNothingChanged) {
  m.add({5});
  const auto live = m.port.memory.counts().live();
  m.fake.forget();
  const StreamID sids[] = {0x300, 5};
  EXPECT_EQ(m.smmu->add(nullptr, sids), Errc::shares_stream);
  EXPECT_EQ(m.port.memory.counts().live(), live);
  EXPECT_TRUE(m.fake.seen().empty());
  EXPECT_FALSE(m.ste(0x300));
}

TEST_F(Attach, AStreamIdBeyondTheTableIsTooLarge) {
  const StreamID sids[] = {0x10000};
  EXPECT_EQ(m.smmu->add(nullptr, sids), Errc::too_large);
  m.add({0xffff});
}

TEST_F(Attach, AStreamIdAtTheTopOf32BitsIsTooLargeToo) {
  Machine wide;
  wide.fake.id(wide.fake.get<arch::IDR1>().with(arch::IDR1::SIDSIZE, 32));
  ASSERT_TRUE(wide.start());
  const StreamID sids[] = {0xffffffff};
  EXPECT_EQ(wide.smmu->add(nullptr, sids), Errc::too_large) << "Config::stream_bits is 25";
}

TEST_F(Attach, ADeviceNeedsAStreamId) { EXPECT_EQ(m.smmu->add(nullptr, {}), Errc::invalid_argument); }

TEST_F(Attach, ARemovedDevicesStreamIdsAreFree) {
  auto& device = m.add({5});
  ASSERT_TRUE(device.attach(m.paging()).ok());
  ASSERT_TRUE(m.remove(device));
  EXPECT_EQ(config(5), SteConfig::abort);
  m.add({5});
}

TEST_F(Attach, AnotherSmmusDomainIsRefused) {
  Machine other;
  ASSERT_TRUE(other.start());
  auto& device = m.add({5});
  EXPECT_EQ(device.attach(other.paging()), Errc::other_smmu);
  EXPECT_EQ(device.attach(other.smmu->identity()), Errc::other_smmu);
}

TEST_F(Attach, APasidIsNotSupportedYet) {
  auto& device = m.add({5});
  EXPECT_EQ(device.attach(m.paging(), iommu::Target::pasid(1)), Errc::unsupported);
}

TEST_F(Attach, TagsRunOut) {
  Machine narrow;
  narrow.fake.id(narrow.fake.get<arch::IDR0>().with(arch::IDR0::ASID16, 0).with(arch::IDR0::VMID16, 0));
  ASSERT_TRUE(narrow.start());
  for (const auto stage : {Stage::first, Stage::second}) {
    std::set<std::uint16_t> seen;
    iommu::Domain* last = nullptr;
    for (int i = 0; i < 255; ++i) { // 0 is never given
      auto& domain = narrow.paging(stage);
      EXPECT_NE(domain.tag().id, 0U);
      EXPECT_LT(domain.tag().id, 256U);
      seen.insert(domain.tag().id);
      last = &domain;
    }
    EXPECT_EQ(seen.size(), 255U);
    const auto live = narrow.port.memory.counts().live();
    EXPECT_EQ(narrow.try_paging({.stage = stage}), Errc::ids_exhausted);
    EXPECT_EQ(narrow.port.memory.counts().live(), live);
    ASSERT_TRUE(narrow.destroy(*last));
    EXPECT_TRUE(narrow.try_paging({.stage = stage}).ok());
  }
}

TEST_F(Attach, TwoSmmusHaveTheirOwnTags) {
  Machine other;
  ASSERT_TRUE(other.start());
  EXPECT_EQ(m.paging().tag().id, other.paging().tag().id);
}

struct Wish {
  const char* name;
  iommu::PagingOptions options;
  bool s1, s2;
  base::Result<bool> second;
};

TEST(PagingOptions, ChooseTheStage) {
  const Wish wishes[] = {
      {"any, both", {}, true, true, false},
      {"any, stage 2 only", {}, false, true, true},
      {"first, stage 2 only", {.stage = Stage::first}, false, true, Errc::unsupported},
      {"second, stage 1 only", {.stage = Stage::second}, true, false, Errc::unsupported},
      {"second, both", {.stage = Stage::second}, true, true, true},
      {"pasid, both", {.pasid = true}, true, true, false},
      {"pasid, stage 2 only", {.pasid = true}, false, true, Errc::unsupported},
      {"pasid on second", {.stage = Stage::second, .pasid = true}, true, true, Errc::unsupported},
      {"nest parent", {.nest_parent = true}, true, true, true},
      {"nest parent, stage 2 only", {.nest_parent = true}, false, true, Errc::unsupported},
      {"nest parent, stage 1 only", {.nest_parent = true}, true, false, Errc::unsupported},
      {"nest parent on first", {.stage = Stage::first, .nest_parent = true}, true, true, Errc::unsupported},
      {"nest parent, pasid", {.nest_parent = true, .pasid = true}, true, true, Errc::unsupported},
      {"nest parent, dirty", {.nest_parent = true, .dirty = true}, true, true, Errc::unsupported},
      {"16K pages", {.page_sizes = 1 << 14}, true, true, Errc::invalid_argument},
      {"64K pages", {.page_sizes = 1 << 16}, true, true, false},
      {"odd pages", {.page_sizes = 1 << 13}, true, true, Errc::invalid_argument},
  };
  for (const auto& w : wishes) {
    SCOPED_TRACE(w.name);
    Machine m;
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::S1P, w.s1).with(arch::IDR0::S2P, w.s2));
    ASSERT_TRUE(m.start());
    const auto made = m.try_paging(w.options);
    ASSERT_EQ(made.ok(), w.second.ok());
    if (made) {
      EXPECT_EQ(static_cast<driver::PagingDomain&>(**made).tag().stage == pagetable::Stage::two, *w.second);
    } else {
      EXPECT_EQ(made.error(), w.second.error());
    }
  }
}

} // namespace
} // namespace sluice::test

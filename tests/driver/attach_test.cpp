#include "attach.hpp"

namespace sluice::test {
namespace {

using arch::Cd;
using arch::Command;
using arch::Opcode;
using arch::Ste;
using arch::SteConfig;
using iommu::Stage;

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

} // namespace
} // namespace sluice::test

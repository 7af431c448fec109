#include "states.hpp"

// What docs/series.md promises and no other test is about. Numbers are those of the patches.
namespace sluice::test {
namespace {

using arch::Cd;
using arch::Ste;
using iommu::Target;

// 23
TEST(Series, EachSmmuHasItsOwnAsidsAndExhaustingOnesLeavesTheOthers) {
  Machine one;
  Machine other;
  for (Machine* m : {&one, &other}) {
    m->fake.id(m->fake.get<arch::IDR0>().with(arch::IDR0::ASID16, 0));
    ASSERT_TRUE(m->start());
  }
  EXPECT_EQ(one.paging().tag().id, other.paging().tag().id);
  for (int i = 2; i < 256; ++i) {
    EXPECT_NE(one.paging().tag().id, 0U) << "22: 0 is never handed out";
  }
  EXPECT_EQ(one.try_paging({.stage = iommu::Stage::first}), Errc::ids_exhausted);
  EXPECT_NE(other.paging().tag().id, 0U);
}

// 22: an ASID comes back when its domain goes.
TEST(Series, AnAsidComesBackWithItsDomain) {
  Machine m;
  m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::ASID16, 0));
  ASSERT_TRUE(m.start());
  for (int i = 0; i < 1000; ++i) {
    auto& domain = m.paging();
    ASSERT_TRUE(m.destroy(domain));
  }
}

// d3867e714831: nothing is written for a domain that could not have an ASID.
TEST(Series, WithoutAnAsidNothingIsWrittenAndNothingLeft) {
  Machine m;
  m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::ASID16, 0));
  ASSERT_TRUE(m.start());
  for (int i = 1; i < 256; ++i) {
    m.paging();
  }
  const auto live = m.port.memory.counts().live();
  m.fake.forget();
  EXPECT_EQ(m.try_paging({.stage = iommu::Stage::first}), Errc::ids_exhausted);
  EXPECT_TRUE(m.fake.seen().empty());
  EXPECT_EQ(m.port.memory.counts().live(), live);
}

// "duplicate stream ids", 6.15
TEST(Series, AStreamIdTwiceInOneDeviceIsOneAndInTwoDevicesIsRefusedWhole) {
  Machine m;
  ASSERT_TRUE(m.start());
  auto& device = m.add({5, 5});
  EXPECT_EQ(device.sids().size(), 1U);
  m.fake.forget();
  const auto change = device.attach(m.paging());
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(m.fake.count(arch::Opcode::CMD_CFGI_STE), change->syncs);
  const StreamID both[] = {6, 5};
  EXPECT_EQ(m.smmu->add(nullptr, both), Errc::shares_stream);
  m.add({6}); // has been left alone
}

// f63237f54cf1
TEST(Series, TheLastOfAllStreamIdsHasItsOwnLeaf) {
  Machine m{{.arena = {.size = 512 << 20}}};
  m.fake.id(m.fake.get<arch::IDR1>().with(arch::IDR1::SIDSIZE, 32));
  auto config = Machine::quick();
  config.stream_bits = 32;
  ASSERT_TRUE(m.start(config));
  auto& device = m.add({0xffff'ffff});
  ASSERT_TRUE(device.attach(m.paging()).ok());
  EXPECT_EQ(m.ste(0xffff'ffff)->get(Ste::Config), arch::SteConfig::stage1);
  EXPECT_FALSE(m.ste(0));
}

// 6fabce53f6b9: who hears of changes, and what entries point to, come before the first store to an entry.
TEST(Series, TheAudienceIsPublishedBeforeTheFirstEntryIsStored) {
  for (const Action& action : {Action{Target::rid(), 'N'}, Action{Target::pasid(1), 'N'}, Action{Target::pasid(3), 'N'},
                               Action{Target::pasid(200), 'N'}}) {
    for (const DeviceState& state : device_states()) {
      PasidMachine c{state};
      SCOPED_TRACE(state.text() + ": " + action.text());
      auto& next = static_cast<driver::PagingDomain&>(*c.domains['N']);
      bool seen = false;
      c.m.fake.on_command = [&](const arch::Command&) {
        if (!seen) {
          EXPECT_TRUE(next.audience()->anybody());
          seen = true;
        }
      };
      const auto change = c.run(action);
      c.m.fake.on_command = {};
      EXPECT_EQ(change.ok(), seen);
    }
  }
}

// be5a2d3f8f9
TEST(Series, ADomainOfAnotherSmmuIsRefusedAndNothingChanges) {
  Machine other;
  ASSERT_TRUE(other.start());
  auto& foreign = other.paging();
  for (const DeviceState& state : device_states()) {
    PasidMachine c{state};
    const auto before = c.words();
    const auto* attached = c.device->attached();
    EXPECT_EQ(attached == nullptr ? c.device->attach(foreign) : c.device->replace(foreign), Errc::other_smmu);
    EXPECT_EQ(c.device->attach(foreign, Target::pasid(5)), Errc::other_smmu);
    EXPECT_EQ(c.words(), before);
    EXPECT_EQ(c.device->attached(), attached);
  }
}

// 47b2de35cab2
TEST(Series, ADeviceThatComesAndGoesLeavesNothingBehind) {
  Machine m;
  PasidMachine::give_substreams(m.fake);
  ASSERT_TRUE(m.start());
  auto& a = m.paging();
  auto& b = m.paging();
  const auto round = [&] {
    auto& device = m.add({0x10}, {.pasid_bits = 16});
    ASSERT_TRUE(device.attach(a).ok());
    ASSERT_TRUE(device.attach(b, Target::pasid(1000)).ok());
    ASSERT_TRUE(m.remove(device));
    m.port.sync.reclaim();
  };
  round(); // makes the leaf of the stream table
  const auto live = m.port.memory.counts();
  for (int i = 0; i < 100; ++i) {
    round();
  }
  EXPECT_EQ(m.port.memory.counts().dma_bytes, live.dma_bytes);
  EXPECT_EQ(m.port.memory.counts().plain_bytes, live.plain_bytes);
}

} // namespace
} // namespace sluice::test

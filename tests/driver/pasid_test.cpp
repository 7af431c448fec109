#include "states.hpp"

#include <sluice/iommu/group.hpp>

// The PASID API on the driver. Numbers are those of the patches of the series that a rule comes from.
namespace sluice::test {
namespace {

using arch::Cd;
using arch::Opcode;
using arch::S1Dss;
using arch::S1Format;
using arch::Ste;
using arch::SteConfig;
using iommu::Stage;
using iommu::Target;

struct World {
  void start(driver::Config config = Machine::quick(), unsigned ssid_bits = 20) {
    PasidMachine::give_substreams(m.fake, ssid_bits);
    ASSERT_TRUE(m.start(config));
  }
  driver::SmmuDevice& device(unsigned bits = 9) { return m.add({0x10, 0x11}, {.pasid_bits = bits}); }
  Ste ste() { return *m.ste(0x10); }
  Machine m;
};
struct Pasids : testing::Test, World {
  void SetUp() override { start(); }
};

// 27, 7, 11
TEST_F(Pasids, ADomainHasTheSameCdAtThemAsAtTheRid) {
  auto& d = device();
  auto& domain = m.paging();
  ASSERT_TRUE(d.attach(domain).ok());
  const Cd at_rid = *m.cd(0x10);
  for (const std::uint32_t pasid : {1U, 63U, 64U, 511U}) {
    ASSERT_TRUE(d.attach(domain, Target::pasid(pasid)).ok());
    EXPECT_EQ(*m.cd(0x10, pasid), at_rid);
    EXPECT_EQ(*m.cd(0x11, pasid), at_rid);
    EXPECT_EQ(d.attached(Target::pasid(pasid)), &domain);
  }
  EXPECT_EQ(*m.cd(0x10), at_rid);
  EXPECT_EQ(at_rid, driver::stage1_cd(driver::entry_facts(m.smmu->capabilities(), true), domain.tag().id,
                                      domain.table().fields()));
}

// 12, 27
TEST_F(Pasids, OnlyStage1DomainsOfTheSmmuAreAttachedToThem) {
  auto& d = device();
  Machine other;
  ASSERT_TRUE(other.start());
  EXPECT_EQ(d.attach(m.paging(Stage::second), Target::pasid(1)), Errc::unsupported);
  EXPECT_EQ(d.attach(m.smmu->identity(), Target::pasid(1)), Errc::unsupported);
  EXPECT_EQ(d.attach(m.smmu->blocked(), Target::pasid(1)), Errc::unsupported);
  EXPECT_EQ(d.attach(other.paging(), Target::pasid(1)), Errc::other_smmu);
}

TEST_F(Pasids, ThatADeviceDoesNotHaveAreRefused) {
  auto& d = device(9);
  auto& domain = m.paging();
  EXPECT_EQ(d.max_pasids(), 512U);
  EXPECT_EQ(d.attach(domain, Target::pasid(0)), Errc::invalid_argument);
  EXPECT_EQ(d.attach(domain, Target::pasid(512)), Errc::too_large);
  EXPECT_EQ(d.attach(domain, Target::pasid(~0U)), Errc::too_large);
  EXPECT_EQ(m.add({0x20}).attach(domain, Target::pasid(1)), Errc::unsupported);
  EXPECT_EQ(d.replace(domain, Target::pasid(1)), Errc::not_attached);
  EXPECT_EQ(d.detach(Target::pasid(1)), Errc::not_attached) << "6: clearing what is not there is nothing";
  ASSERT_TRUE(d.attach(domain, Target::pasid(1)).ok());
  EXPECT_EQ(d.attach(domain, Target::pasid(1)), Errc::already_attached);
}

// 8
TEST_F(Pasids, LookingForOneAllocatesNothing) {
  auto& d = device();
  const auto calls = m.port.memory.counts().calls;
  EXPECT_EQ(d.attached(Target::pasid(5)), nullptr);
  EXPECT_EQ(m.port.memory.counts().calls, calls);
}

// 26
TEST_F(Pasids, TheFirstUpgradesTheSteAndTheLastDowngradesItHitlessly) {
  for (const bool identity : {true, false}) {
    auto& d = device();
    ASSERT_TRUE(d.attach(identity ? m.smmu->identity() : m.smmu->blocked()).ok());
    const Ste before = ste();
    const auto live = m.port.memory.counts();
    auto& domain = m.paging();
    const auto up = d.attach(domain, Target::pasid(7), {.require_hitless = true});
    ASSERT_TRUE(up.ok());
    EXPECT_TRUE(up->hitless);
    EXPECT_EQ(ste().get(Ste::Config), SteConfig::stage1);
    EXPECT_EQ(ste().get(Ste::S1DSS), identity ? S1Dss::bypass : S1Dss::terminate);
    EXPECT_EQ(ste().get(Ste::S1CDMax), 9U);
    EXPECT_FALSE(m.cd(0x10).value_or(Cd{}).get(Cd::V));
    const auto down = d.detach(Target::pasid(7));
    ASSERT_TRUE(down.ok());
    EXPECT_TRUE(down->hitless);
    EXPECT_EQ(ste(), before);
    ASSERT_TRUE(m.destroy(domain));
    m.port.sync.reclaim();
    EXPECT_EQ(m.port.memory.counts().dma_bytes, live.dma_bytes);
    EXPECT_EQ(m.port.memory.counts().plain_bytes, live.plain_bytes);
    ASSERT_TRUE(m.remove(d));
  }
}

// 25
TEST_F(Pasids, StayAsTheyAreWhileTheRidChanges) {
  auto& d = device();
  auto& domain = m.paging();
  ASSERT_TRUE(d.attach(domain, Target::pasid(70)).ok());
  const Cd cd = *m.cd(0x10, 70);
  auto& rid = m.paging();
  struct {
    iommu::Domain* to;
    S1Dss dss;
  } const steps[] = {{&m.smmu->identity(), S1Dss::bypass},
                     {&rid, S1Dss::cd0},
                     {&m.smmu->blocked(), S1Dss::terminate},
                     {&rid, S1Dss::cd0},
                     {&m.paging(), S1Dss::cd0}};
  for (const auto& step : steps) {
    const auto change = d.attached() == nullptr ? d.attach(*step.to, {}, {.require_hitless = true})
                                                : d.replace(*step.to, {}, {.require_hitless = true});
    ASSERT_TRUE(change.ok());
    EXPECT_EQ(ste().get(Ste::Config), SteConfig::stage1);
    EXPECT_EQ(ste().get(Ste::S1DSS), step.dss);
    EXPECT_EQ(*m.cd(0x10, 70), cd);
    EXPECT_EQ(m.cd(0x10).value_or(Cd{}).get(Cd::V), step.dss == S1Dss::cd0 ? 1U : 0U) << "25: PASID 0's is cleared";
  }
  ASSERT_TRUE(d.detach().ok());
  EXPECT_EQ(ste().get(Ste::S1DSS), S1Dss::terminate);
  EXPECT_EQ(*m.cd(0x10, 70), cd);
}

// 16, 26
TEST_F(Pasids, ARidOnStage2OrAGuestsStage1AndTheyExcludeEachOther) {
  auto& d = device();
  auto& stage2 = m.paging(Stage::second);
  auto& domain = m.paging();
  ASSERT_TRUE(d.attach(domain, Target::pasid(1)).ok());
  m.fake.forget();
  EXPECT_EQ(d.attach(stage2), Errc::busy);
  ASSERT_TRUE(d.attach(m.paging()).ok());
  EXPECT_EQ(d.replace(stage2), Errc::busy);
  ASSERT_TRUE(d.detach(Target::pasid(1)).ok());
  ASSERT_TRUE(d.replace(stage2).ok()) << "16: when none is left";
  EXPECT_EQ(d.attach(domain, Target::pasid(1)), Errc::busy);
}

// 13
TEST_F(Pasids, OneDeviceIsOnOneDomainSeveralTimesAndLeavesOnceEachTime) {
  auto& d = device();
  auto& domain = m.paging();
  ASSERT_TRUE(d.attach(domain).ok());
  ASSERT_TRUE(d.attach(domain, Target::pasid(1)).ok());
  ASSERT_TRUE(d.attach(domain, Target::pasid(2)).ok());
  EXPECT_EQ(domain.users(), 3U);
  m.fake.forget();
  ASSERT_TRUE(d.detach(Target::pasid(1)).ok());
  ASSERT_TRUE(d.detach().ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_ASID), 0U);
  EXPECT_EQ(domain.users(), 1U);
  ASSERT_TRUE(d.detach(Target::pasid(2)).ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_ASID), 1U) << "when nobody is left";
}

// 5
TEST_F(Pasids, AReplacedDomainIsSwungInWithItsLeaf) {
  auto& d = device();
  ASSERT_TRUE(d.attach(m.paging(), Target::pasid(1)).ok());
  ASSERT_TRUE(d.attach(m.paging(), Target::pasid(2)).ok());
  const Cd neighbour = *m.cd(0x10, 2);
  auto& next = m.paging();
  const auto live = m.port.memory.counts().dma_blocks;
  m.fake.forget();
  const auto change = d.replace(next, Target::pasid(1), {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->stores, 1U);
  EXPECT_EQ(m.fake.count(Opcode::CMD_CFGI_CD_ALL), 2U) << "5.4.1: for each StreamID";
  EXPECT_EQ(m.cd(0x10, 1)->get(Cd::ASID), next.tag().id);
  EXPECT_EQ(*m.cd(0x10, 2), neighbour);
  EXPECT_EQ(m.port.memory.counts().dma_blocks, live);
}

TEST_F(Pasids, OfALinearTableTheWholeIsSwungInByTheSte) {
  World linear;
  auto config = Machine::quick();
  config.linear_cd_tables = true;
  linear.start(config);
  auto& d = linear.device(9);
  ASSERT_TRUE(d.attach(linear.m.paging()).ok());
  ASSERT_TRUE(d.attach(linear.m.paging(), Target::pasid(1)).ok());
  EXPECT_EQ(linear.ste().get(Ste::S1Fmt), S1Format::linear);
  const auto table = linear.ste().get(Ste::S1ContextPtr);
  const Cd rid = *linear.m.cd(0x11);
  auto& next = linear.m.paging();
  ASSERT_TRUE(d.replace(next, Target::pasid(1), {.require_hitless = true}).ok());
  EXPECT_NE(linear.ste().get(Ste::S1ContextPtr), table);
  EXPECT_EQ(*linear.m.ste(0x11), linear.ste());
  EXPECT_EQ(linear.m.cd(0x11, 1)->get(Cd::ASID), next.tag().id);
  EXPECT_EQ(*linear.m.cd(0x11), rid);
}

TEST_F(Pasids, With128BitStoresAReplacedDomainIsOneStore) {
  Machine wide{{.facts = {.atomic128 = true}}};
  PasidMachine::give_substreams(wide.fake);
  ASSERT_TRUE(wide.start());
  auto& d = wide.add({1}, {.pasid_bits = 4});
  ASSERT_TRUE(d.attach(wide.paging(), Target::pasid(1)).ok());
  wide.fake.forget();
  const auto change = d.replace(wide.paging(), Target::pasid(1), {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->stores, 1U);
  EXPECT_EQ(wide.fake.count(Opcode::CMD_CFGI_CD), 1U);
  EXPECT_EQ(wide.smmu->counters().changes_store128, 1U);
}

TEST_F(Pasids, WhereWordsMayComeFromTwoPlacesAReplaceIsDisruptiveAndSaysSo) {
  Machine split{{.facts = {.entry_from_place = false}}};
  PasidMachine::give_substreams(split.fake);
  ASSERT_TRUE(split.start());
  auto& d = split.add({1}, {.pasid_bits = 9});
  ASSERT_TRUE(d.attach(split.paging(), Target::pasid(1)).ok());
  auto& next = split.paging();
  split.fake.forget();
  EXPECT_EQ(d.replace(next, Target::pasid(1), {.require_hitless = true}), Errc::not_hitless);
  EXPECT_TRUE(split.fake.seen().empty());
  const auto change = d.replace(next, Target::pasid(1));
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->hitless);
  EXPECT_EQ(change->gap, iommu::Gap::split_fetch);
  EXPECT_EQ(split.cd(1, 1)->get(Cd::ASID), next.tag().id);
}

TEST_F(Pasids, ALeafGoesWithItsLastCd) {
  auto& d = device();
  auto& domain = m.paging();
  ASSERT_TRUE(d.attach(domain, Target::pasid(1)).ok());
  const auto live = m.port.memory.counts();
  ASSERT_TRUE(d.attach(domain, Target::pasid(100)).ok());
  ASSERT_TRUE(d.attach(domain, Target::pasid(101)).ok());
  EXPECT_EQ(m.port.memory.counts().dma_bytes, live.dma_bytes + 4096);
  ASSERT_TRUE(d.detach(Target::pasid(100)).ok());
  EXPECT_EQ(m.port.memory.counts().dma_bytes, live.dma_bytes + 4096);
  m.fake.forget();
  ASSERT_TRUE(d.detach(Target::pasid(101)).ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_CFGI_CD_ALL), 2U);
  EXPECT_FALSE(m.cd(0x10, 100));
  m.port.sync.reclaim();
  EXPECT_EQ(m.port.memory.counts().dma_bytes, live.dma_bytes);
  EXPECT_EQ(m.port.memory.counts().plain_bytes, live.plain_bytes);
}

TEST_F(Pasids, ANewLeafIsLinkedByOneStoreWithItsCdInIt) {
  auto& d = device();
  ASSERT_TRUE(d.attach(m.paging(), Target::pasid(1)).ok());
  auto& domain = m.paging();
  m.fake.on_command = [&](const arch::Command& c) {
    if (c.get(arch::Command::Opcode) == Opcode::CMD_CFGI_CD) {
      EXPECT_EQ(c.get(arch::Command::Leaf), 0U) << "5.3: the L1CD may be cached";
      EXPECT_EQ(m.cd(0x10, 200)->get(Cd::V), 1U);
    }
  };
  const auto change = d.attach(domain, Target::pasid(200));
  m.fake.on_command = {};
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->stores, 1U);
  EXPECT_EQ(change->syncs, 1U);
  EXPECT_EQ(change->commands, 3U) << "a CFGI_CD for each StreamID";
}

// 3
TEST_F(Pasids, TablesHaveTheFormatThatFitsTheirSize) {
  struct {
    unsigned bits;
    S1Format format;
    std::size_t bytes; // of the table for one PASID
  } const kinds[] = {{4, S1Format::linear, 64 << 4},
                     {6, S1Format::linear, 64 << 6},
                     {7, S1Format::two_level_4k, 2 * 8 + 4096},
                     {16, S1Format::two_level_4k, 8192 + 4096},
                     {20, S1Format::two_level_64k, 8192 + 65536}};
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.bits);
    auto& d = device(kind.bits);
    auto& domain = m.paging();
    const auto bytes = m.port.memory.counts().dma_bytes;
    const std::uint32_t pasid = (1U << kind.bits) - 1;
    ASSERT_TRUE(d.attach(domain, Target::pasid(pasid)).ok());
    EXPECT_EQ(ste().get(Ste::S1Fmt), kind.format);
    EXPECT_EQ(ste().get(Ste::S1CDMax), kind.bits);
    EXPECT_EQ(m.cd(0x10, pasid)->get(Cd::ASID), domain.tag().id);
    EXPECT_GE(m.port.memory.counts().dma_bytes - bytes, kind.bytes);
    EXPECT_LE(m.port.memory.counts().dma_bytes - bytes, kind.bytes + 64);
    ASSERT_TRUE(m.remove(d));
  }
}

TEST_F(Pasids, AreLimitedByWhatTheSmmuCanDo) {
  World narrow;
  narrow.start(Machine::quick(), 5);
  EXPECT_EQ(narrow.device(20).max_pasids(), 32U);
  Machine one_level;
  one_level.fake.id(one_level.fake.get<arch::IDR1>().with(arch::IDR1::SSIDSIZE, 20));
  ASSERT_TRUE(one_level.start());
  EXPECT_EQ(one_level.add({1}, {.pasid_bits = 20}).max_pasids(), 1024U) << "a linear table of 64 KiB";
  Machine none;
  ASSERT_TRUE(none.start());
  EXPECT_EQ(none.add({1}, {.pasid_bits = 20}).max_pasids(), 0U);
}

TEST_F(Pasids, OfARemovedDeviceAreDetached) {
  auto& d = device();
  auto& domain = m.paging();
  ASSERT_TRUE(d.attach(domain).ok());
  for (const std::uint32_t pasid : {1U, 2U, 64U, 200U, 511U}) {
    ASSERT_TRUE(d.attach(domain, Target::pasid(pasid)).ok());
  }
  ASSERT_TRUE(m.remove(d));
  EXPECT_EQ(domain.users(), 0U);
  EXPECT_EQ(ste(), driver::abort_ste());
  EXPECT_EQ(*m.ste(0x11), driver::abort_ste());
}

TEST_F(Pasids, OfAGroupAreThoseOfItsMembersThatHaveAny) {
  iommu::Group group{*m.smmu};
  auto& with = device();
  auto& without = m.add({0x20});
  ASSERT_TRUE(group.add(with));
  auto& domain = m.paging();
  ASSERT_TRUE(group.add(without)) << "CVE class of mixed groups: no CD is written for a device without PASIDs";
  ASSERT_TRUE(group.attach(domain, Target::pasid(3)).ok());
  EXPECT_EQ(group.attached(Target::pasid(3)), &domain);
  EXPECT_EQ(with.attached(Target::pasid(3)), &domain);
  EXPECT_EQ(without.attached(Target::pasid(3)), nullptr);
  EXPECT_EQ(m.ste(0x20)->get(Ste::Config), SteConfig::abort);
  EXPECT_EQ(group.attach(domain, Target::pasid(3)), Errc::already_attached);
  EXPECT_EQ(with.detach(Target::pasid(3)), Errc::busy);
  ASSERT_TRUE(group.replace(m.paging(), Target::pasid(3)).ok());
  ASSERT_TRUE(group.detach(Target::pasid(3)).ok());
  EXPECT_EQ(group.detach(Target::pasid(3)), Errc::not_attached);
  ASSERT_TRUE(group.remove(with));
  EXPECT_EQ(group.attach(domain, Target::pasid(3)), Errc::unsupported);
  ASSERT_TRUE(group.remove(without));
}

TEST_F(Pasids, HaveTheirFaultsReportedToTheirDomains) {
  struct Handler : iommu::FaultHandler {
    void on_fault(const iommu::Fault& fault) override { seen.push_back(fault.pasid); }
    std::vector<std::uint32_t> seen;
  };
  Handler of_rid;
  Handler of_pasid;
  auto& d = device();
  auto& a = m.paging();
  auto& p = m.paging();
  a.set_fault_handler(&of_rid);
  p.set_fault_handler(&of_pasid);
  const auto put = [&](bool ssv, std::uint32_t ssid) {
    const auto event = arch::Event{}
                           .with(arch::Event::Type, arch::EventType::F_TRANSLATION)
                           .with(arch::Event::StreamID, 0x11)
                           .with(arch::Event::SSV, ssv)
                           .with(arch::Event::SubstreamID, ssid);
    EXPECT_TRUE(m.fake.put_event(event.w));
    m.smmu->poll();
  };
  ASSERT_TRUE(d.attach(a).ok());
  ASSERT_TRUE(d.attach(p, Target::pasid(9)).ok());
  put(false, 0);
  put(true, 9);
  put(true, 8);
  EXPECT_EQ(of_rid.seen, (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(of_pasid.seen, (std::vector<std::uint32_t>{9}));
  EXPECT_EQ(m.smmu->counters().events_unhandled, 1U) << "of a PASID that nothing is attached to";
  a.set_fault_handler(nullptr);
  p.set_fault_handler(nullptr);
}

} // namespace
} // namespace sluice::test

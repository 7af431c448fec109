#include "guest.hpp"

namespace sluice::test {
namespace {

using arch::Command;
using arch::Opcode;
using arch::Ste;
using arch::SteConfig;
namespace cmd = arch::cmd;

struct Nested : Guest {
  using Guest::Guest;
  Ste ste() { return *m.ste(sid); }
};

TEST_F(Nested, HwInfoIsTheIdRegisters) {
  u::HwInfo info;
  const auto known = m.smmu->hw_info(0, std::as_writable_bytes(std::span{&info, 1}));
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known->type, u::hw_info_type);
  EXPECT_EQ(known->size, 40U);
  EXPECT_EQ(info.flags, 0U);
  EXPECT_EQ(info.idr[0], m.fake.get<arch::IDR0>().raw());
  EXPECT_EQ(info.idr[1], m.fake.get<arch::IDR1>().raw());
  EXPECT_EQ(info.idr[3], m.fake.get<arch::IDR3>().raw());
  EXPECT_EQ(info.idr[5], m.fake.get<arch::IDR5>().raw());
  EXPECT_EQ(info.iidr, m.fake.get<arch::IIDR>().raw());
  EXPECT_EQ(info.aidr, m.fake.get<arch::AIDR>().raw());
}

TEST_F(Nested, HwInfoFillsWhatThereIsRoomFor) {
  std::array<std::byte, 24> room;
  room.fill(std::byte{0x5a});
  const auto known = m.smmu->hw_info(u::hw_info_type, std::span{room}.first(12));
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known->size, 40U);
  const std::uint32_t idr0 = m.fake.get<arch::IDR0>().raw();
  EXPECT_EQ(std::memcmp(&room[8], &idr0, 4), 0);
  EXPECT_EQ(room[12], std::byte{0x5a});
}

TEST_F(Nested, HwInfoOfAnotherTypeIsUnsupported) {
  EXPECT_EQ(m.smmu->hw_info(3, {}), Errc::unsupported);
  EXPECT_EQ(m.smmu->hw_info(1, {}), Errc::unsupported);
}

TEST_F(Nested, AParentIsAStage2Domain) {
  EXPECT_EQ(parent->tag().stage, pagetable::Stage::two);
  EXPECT_TRUE(parent->nest_parent());
}

TEST_F(Nested, OnlyADomainMadeForItIsAParent) {
  EXPECT_EQ(m.smmu->viommu_alloc(1, m.paging(iommu::Stage::second), {}), Errc::invalid_argument);
  EXPECT_EQ(m.smmu->viommu_alloc(1, m.paging(iommu::Stage::first), {}), Errc::invalid_argument);
  EXPECT_EQ(m.smmu->viommu_alloc(1, m.smmu->identity(), {}), Errc::invalid_argument);
}

TEST_F(Nested, AParentOfAnotherSmmuIsRefused) {
  Machine other;
  other.fake.id(other.fake.get<arch::IDR3>().with(arch::IDR3::FWB, 1));
  ASSERT_TRUE(other.start());
  EXPECT_EQ(other.smmu->viommu_alloc(1, *parent, {}), Errc::other_smmu);
}

TEST_F(Nested, AnotherTypeOfViommuIsUnsupported) {
  EXPECT_EQ(m.smmu->viommu_alloc(0, *parent, {}), Errc::unsupported);
  EXPECT_EQ(m.smmu->viommu_alloc(2, *parent, {}), Errc::unsupported);
}

TEST_F(Nested, WithoutS2fwbThereAreNoViommus) {
  Machine plain;
  ASSERT_TRUE(plain.start());
  auto domain = plain.try_paging({.nest_parent = true});
  ASSERT_TRUE(domain.ok());
  EXPECT_EQ(plain.smmu->viommu_alloc(1, **domain, {}), Errc::unsupported);
}

TEST_F(Nested, AGuestsSteIsTwoWordsOfItsType) {
  const u::NestedSte words[2]{};
  const auto bytes = std::as_bytes(std::span{words});
  EXPECT_EQ(viommu->nested_alloc(1, bytes.first(16)), Errc::invalid_argument);
  EXPECT_EQ(viommu->nested_alloc(2, bytes.first(15)), Errc::invalid_argument);
  EXPECT_EQ(viommu->nested_alloc(2, bytes.first(17)), Errc::invalid_argument);
  EXPECT_EQ(try_nested({{1ULL << 56 | 1, 0}}), Errc::reserved_bits);
}

TEST_F(Nested, TheGuestsStage1StandsOnTheParentsStage2) {
  ASSERT_TRUE(device->attach(make_nested(guest_stage1())).ok());
  EXPECT_EQ(ste().get(Ste::Config), SteConfig::nested);
  EXPECT_EQ(ste().get(Ste::S1ContextPtr), 0x4128'9000U);
  EXPECT_EQ(ste().get(Ste::S2VMID), parent->tag().id);
  EXPECT_EQ(ste().get(Ste::S2TTB), parent->table().fields().TTB);
  EXPECT_EQ(ste().get(Ste::S2PTW), 1U);
  EXPECT_EQ(ste().get(Ste::MEV), 1U);
}

TEST_F(Nested, AGuestsBypassIsTheParentItself) {
  ASSERT_TRUE(device->attach(*parent).ok());
  const Ste plain = ste();
  ASSERT_TRUE(device->replace(make_nested(guest_config(SteConfig::bypass))).ok());
  EXPECT_EQ(ste(), plain);
}

TEST_F(Nested, AGuestsAbortAborts) {
  ASSERT_TRUE(device->attach(make_nested(guest_config(SteConfig::abort))).ok());
  EXPECT_EQ(ste(), driver::abort_ste());
  ASSERT_TRUE(device->replace(make_nested(Ste{})).ok());
  EXPECT_EQ(ste(), driver::abort_ste());
}

TEST_F(Nested, Stage1NeedsANameForTheDevice) {
  auto& unnamed = m.add({0x43});
  m.fake.forget();
  auto& domain = make_nested(guest_stage1());
  EXPECT_EQ(unnamed.attach(domain), Errc::not_found);
  EXPECT_TRUE(m.fake.seen().empty());
  EXPECT_EQ(domain.users(), 0U);
  EXPECT_TRUE(unnamed.attach(make_nested(guest_config(SteConfig::bypass))).ok());
  EXPECT_TRUE(unnamed.replace(make_nested(guest_config(SteConfig::abort))).ok());
}

TEST_F(Nested, TheNameHasToBeTheSameGuests) {
  auto* other = make_viommu(*parent);
  auto& stranger = m.add({0x43});
  ASSERT_TRUE(other->vdevice_add(stranger, vsid));
  EXPECT_EQ(stranger.attach(make_nested(guest_stage1())), Errc::not_found);
  ASSERT_TRUE(other->vdevice_remove(stranger));
  ASSERT_TRUE(other->destroy());
}

TEST_F(Nested, APasidLivesInTheGuestsTablesOnly) {
  ASSERT_TRUE(device->attach(make_nested(guest_stage1())).ok());
  m.fake.forget();
  EXPECT_EQ(device->attach(m.paging(), iommu::Target::pasid(1)), Errc::unsupported);
  EXPECT_EQ(device->attach(make_nested(guest_stage1()), iommu::Target::pasid(1)), Errc::unsupported);
  EXPECT_TRUE(m.fake.seen().empty());
}

TEST_F(Nested, AnotherSmmusDeviceIsRefused) {
  Machine other;
  ASSERT_TRUE(other.start());
  auto& stranger = other.add({sid});
  EXPECT_EQ(stranger.attach(make_nested(guest_config(SteConfig::bypass))), Errc::other_smmu);
  EXPECT_EQ(viommu->vdevice_add(stranger, 1), Errc::other_smmu);
}

// Names

TEST_F(Nested, ANameIsGivenOnce) {
  auto& second = m.add({0x43});
  EXPECT_EQ(viommu->vdevice_add(second, vsid), Errc::already_exists);
  EXPECT_EQ(viommu->vdevice_add(*device, vsid + 1), Errc::already_exists);
  EXPECT_TRUE(viommu->vdevice_add(second, vsid + 16));
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  EXPECT_TRUE(viommu->vdevice_add(*device, vsid));
}

TEST_F(Nested, ADeviceHasOneNameAmongAllGuests) {
  auto* other = make_viommu(*parent);
  EXPECT_EQ(other->vdevice_add(*device, 1), Errc::already_exists);
  EXPECT_EQ(other->vdevice_remove(*device), Errc::not_found);
  ASSERT_TRUE(other->destroy());
}

TEST_F(Nested, ANameHas32Bits) {
  auto& second = m.add({0x43});
  EXPECT_EQ(viommu->vdevice_add(second, 1ULL << 32), Errc::invalid_argument);
  EXPECT_TRUE(viommu->vdevice_add(second, 0xffff'ffff));
}

TEST_F(Nested, ADeviceOfSeveralStreamIdsHasNoName) {
  EXPECT_EQ(viommu->vdevice_add(m.add({0x10, 0x11}), 1), Errc::unsupported);
  EXPECT_TRUE(viommu->vdevice_add(m.add({0x12, 0x12}), 1)) << "the same one twice is one";
}

TEST_F(Nested, ANameThatIsGoneIsNotFound) {
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  EXPECT_EQ(viommu->vdevice_remove(*device), Errc::not_found);
}

TEST_F(Nested, ANamedDeviceIsNotRemoved) {
  EXPECT_EQ(m.smmu->remove(*device), Errc::busy);
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  EXPECT_TRUE(m.remove(*device));
}

// Lifetimes

TEST_F(Nested, AParentIsKeptByItsViommus) {
  EXPECT_EQ(m.destroy(*parent), Errc::in_use);
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  ASSERT_TRUE(std::exchange(viommu, nullptr)->destroy());
  EXPECT_TRUE(m.destroy(*parent));
}

TEST_F(Nested, AViommuIsKeptByItsDomainsAndNames) {
  EXPECT_EQ(viommu->destroy(), Errc::in_use);
  auto& domain = make_nested(guest_stage1());
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  EXPECT_EQ(viommu->destroy(), Errc::in_use);
  nested.clear();
  ASSERT_TRUE(domain.destroy());
  EXPECT_TRUE(std::exchange(viommu, nullptr)->destroy());
}

TEST_F(Nested, AnAttachedNestedDomainIsNotDestroyed) {
  auto& domain = make_nested(guest_stage1());
  ASSERT_TRUE(device->attach(domain).ok());
  EXPECT_EQ(domain.destroy(), Errc::in_use);
}

TEST_F(Nested, NothingIsLeftInTheEnd) {
  Machine whole;
  whole.fake.id(whole.fake.get<arch::IDR3>().with(arch::IDR3::FWB, 1));
  ASSERT_TRUE(whole.start());
  auto& d = whole.add({1});
  const auto live = whole.port.memory.counts().live();
  auto on = whole.smmu->make_paging({.nest_parent = true});
  auto v = whole.smmu->viommu_alloc(1, **on, {});
  ASSERT_TRUE((*v)->vdevice_add(d, 9));
  const u::NestedSte words = guest_words(guest_stage1());
  auto domain = (*v)->nested_alloc(2, std::as_bytes(std::span{&words, 1}));
  ASSERT_TRUE(d.attach(**domain).ok());
  ASSERT_TRUE(d.detach().ok());
  ASSERT_TRUE((*domain)->destroy());
  ASSERT_TRUE((*v)->vdevice_remove(d));
  ASSERT_TRUE((*v)->destroy());
  ASSERT_TRUE((*on)->destroy());
  whole.port.sync.reclaim();
  EXPECT_EQ(whole.port.memory.counts().live(), live);
}

TEST_F(Nested, WithoutMemoryNothingChanges) {
  auto& domain = make_nested(guest_stage1());
  auto& second = m.add({0x43});
  m.fake.forget();
  const auto live = m.port.memory.counts().live();
  const auto users = parent->users();
  const u::NestedSte words = guest_words(guest_stage1());
  for (std::uint64_t n = 1; n <= 3; ++n) {
    m.port.memory.fail(1);
    EXPECT_EQ(n == 1   ? m.smmu->viommu_alloc(1, *parent, {}).error()
              : n == 2 ? viommu->nested_alloc(2, std::as_bytes(std::span{&words, 1})).error()
                       : viommu->vdevice_add(second, 7).error(),
              Errc::no_memory);
    m.port.memory.fail(0);
  }
  EXPECT_EQ(second.vdevice(), nullptr);
  EXPECT_EQ(parent->users(), users);
  EXPECT_EQ(m.port.memory.counts().live(), live);
  for (std::uint64_t n = 1;; ++n) {
    m.port.memory.fail(n);
    const auto change = device->attach(domain);
    m.port.memory.fail(0);
    if (change.ok()) {
      EXPECT_GT(n, 1U);
      break;
    }
    EXPECT_EQ(change.error(), Errc::no_memory);
    EXPECT_TRUE(m.fake.seen().empty());
    EXPECT_EQ(m.port.memory.counts().live(), live);
    EXPECT_EQ(ste(), driver::abort_ste());
    const platform::ReadSection section{m.port.sync};
    EXPECT_FALSE(parent->audience()->anybody());
  }
}

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

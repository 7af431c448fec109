#include "fake_function.hpp"
#include "fake_space.hpp"
#include "states.hpp"

#include <sluice/driver/sva_domain.hpp>

#include <thread>

// Processes' address spaces at PASIDs. Numbers are those of the patches of the series that a rule comes from.
namespace sluice::test {
namespace {

using arch::Cd;
using arch::Command;
using arch::Opcode;
using iommu::Target;

struct Sva : testing::Test {
  void SetUp() override {
    PasidMachine::give_substreams(m.fake);
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::ATS, 1));
    ASSERT_TRUE(m.start());
    const StreamID sid = 0x10;
    auto added = m.smmu->add(&function, {&sid, 1});
    ASSERT_TRUE(added.ok());
    device = *added;
    m.devices.insert(device);
  }
  void TearDown() override {
    if (device != nullptr) {
      ASSERT_TRUE(m.remove(*device));
    }
  }
  iommu::Domain& domain() {
    auto made = m.smmu->make_sva(space);
    EXPECT_TRUE(made.ok());
    return **made;
  }
  Cd cd(std::uint32_t pasid) { return m.cd(0x10, pasid).value_or(Cd{}); }

  FakeSpace space;
  FakeFunction function;
  Machine m;
  iommu::Device* device{};
};

// 10, 18
TEST_F(Sva, ItsCdIsThatOfTheProcessesTableUnderAnAsidOfItsOwn) {
  auto& d = domain();
  EXPECT_EQ(d.type(), iommu::DomainType::sva);
  ASSERT_TRUE(device->attach(d, Target::pasid(3)).ok());
  const Cd c = cd(3);
  EXPECT_EQ(c.get(Cd::V), 1U);
  EXPECT_EQ(c.get(Cd::TTB0), 0x5000'0000U);
  EXPECT_EQ(c.get(Cd::T0SZ), 16U);
  EXPECT_EQ(c.get(Cd::TG0), arch::Tg0::k4);
  EXPECT_EQ(c.get(Cd::IPS), arch::AddressSize::bits48);
  EXPECT_EQ(c.get(Cd::MAIR0), 0x5566'7788U);
  EXPECT_EQ(c.get(Cd::MAIR1), 0x1122'3344U);
  EXPECT_EQ(c.get(Cd::EPD0), 0U);
  EXPECT_EQ(c.get(Cd::EPD1), 1U);
  EXPECT_EQ(c.get(Cd::R), 1U);
  EXPECT_EQ(c.get(Cd::A), 1U);
  EXPECT_EQ(c.get(Cd::S), 0U);
  EXPECT_EQ(c.get(Cd::ASET), 1U) << "no broadcast invalidates it: it has an ASID of the SMMU's";
  EXPECT_NE(c.get(Cd::ASID), 0U);
  ASSERT_TRUE(device->detach(Target::pasid(3)).ok());
  EXPECT_TRUE(d.destroy());
}

// 1, as it became: any PASID that the device has; not the RID.
TEST_F(Sva, AnyPasidCanHaveItAndTheRidCannot) {
  auto& d = domain();
  EXPECT_EQ(device->attach(d), Errc::unsupported);
  for (const std::uint32_t pasid : {1U, 2U, 511U}) {
    ASSERT_TRUE(device->attach(d, Target::pasid(pasid)).ok());
    EXPECT_EQ(cd(pasid), cd(1));
  }
  EXPECT_EQ(d.destroy(), Errc::in_use);
  ASSERT_TRUE(m.remove(*std::exchange(device, nullptr)));
  EXPECT_TRUE(d.destroy());
}

// 20: usable or an error.
TEST_F(Sva, WhatThisSmmuCannotWalkIsRefusedAndNothingIsSubscribed) {
  const auto refused = [&](auto change) {
    const auto before = space.what;
    change(space.what);
    EXPECT_EQ(m.smmu->make_sva(space), Errc::unsupported);
    space.what = before;
    EXPECT_EQ(space.user, nullptr);
  };
  refused([](auto& f) { f.granule_bits = 14; });
  refused([](auto& f) { f.input_bits = 52; });
  refused([](auto& f) { f.output_bits = 52; });
  refused([](auto& f) { f.access_flag_by_hw = true; });
  refused([](auto& f) { f.dirty_by_hw = true; });
  space.ended = true;
  EXPECT_EQ(m.smmu->make_sva(space), Errc::not_found);
}

// 20, d3867e714831
TEST_F(Sva, WithoutMemoryNeitherAsidNorSubscriptionIsLeft) {
  const auto live = m.port.memory.counts().live();
  m.port.memory.fail(1);
  EXPECT_EQ(m.smmu->make_sva(space), Errc::no_memory);
  m.port.memory.fail(0);
  EXPECT_EQ(m.port.memory.counts().live(), live);
  EXPECT_EQ(space.user, nullptr);
  EXPECT_EQ(m.paging().tag().id, 1U);
}

// 21
TEST_F(Sva, AnAddressSpaceHasOneDomainOfAnSmmu) {
  auto& d = domain();
  EXPECT_EQ(m.smmu->make_sva(space), Errc::already_exists);
  EXPECT_TRUE(d.destroy());
  EXPECT_EQ(space.user, nullptr) << "the notifier dies with the domain";
  EXPECT_TRUE(domain().destroy());
}

// 19, 15
TEST_F(Sva, AChangeReachesAllItsTargetsAndNoOthers) {
  auto& d = domain();
  ASSERT_TRUE(device->attach(m.paging(), Target::pasid(9)).ok());
  m.fake.forget();
  EXPECT_TRUE(space.user->changed(0x1000, 0x1000));
  EXPECT_TRUE(m.fake.commands().empty()) << "nobody is attached";
  ASSERT_TRUE(device->attach(d, Target::pasid(3)).ok());
  ASSERT_TRUE(device->attach(d, Target::pasid(4)).ok());
  m.fake.forget();
  EXPECT_TRUE(space.user->changed(0x1000, 0x2000));
  const auto asid = static_cast<std::uint16_t>(cd(3).get(Cd::ASID));
  const auto commands = m.fake.commands();
  ASSERT_EQ(commands.size(), 5U);
  EXPECT_EQ(commands[0].get(Command::Opcode), Opcode::CMD_TLBI_NH_VA);
  EXPECT_EQ(commands[0].get(Command::ASID), asid);
  EXPECT_EQ(commands[0].get(Command::Leaf), 0U) << "tables may have gone";
  EXPECT_EQ(commands[1].get(Command::Opcode), Opcode::CMD_SYNC);
  std::set<std::uint64_t> told{commands[2].get(Command::SubstreamID), commands[3].get(Command::SubstreamID)};
  EXPECT_EQ(told, (std::set<std::uint64_t>{3, 4}));
  EXPECT_EQ(commands[2].get(Command::Size), 2U) << "0x1000 to 0x2fff lie in 16 KB from 0";
  m.fake.forget();
  EXPECT_TRUE(space.user->changed(0, 0));
  EXPECT_EQ(m.fake.commands()[0], arch::cmd::tlbi_nh_asid(0, asid));
  EXPECT_EQ(m.fake.commands()[2].get(Command::Size), 52U);
  ASSERT_TRUE(device->detach(Target::pasid(3)).ok());
  ASSERT_TRUE(device->detach(Target::pasid(4)).ok());
  EXPECT_TRUE(d.destroy());
}

// 12f78021973a
TEST_F(Sva, InvalidatedRangesHaveALegalGranule) {
  auto& d = domain();
  ASSERT_TRUE(device->attach(d, Target::pasid(3)).ok());
  for (const std::uint64_t pages : {1ULL, 2ULL, 31ULL, 32ULL, 33ULL, 511ULL, 0x10000ULL, 1ULL << 36}) {
    m.fake.forget();
    EXPECT_TRUE(space.user->changed(0, pages << 12));
    for (const auto& c : m.fake.commands()) {
      if (c.get(Command::Opcode) == Opcode::CMD_TLBI_NH_VA) {
        const bool none = c.get(Command::NUM) == 0 && c.get(Command::SCALE) == 0;
        EXPECT_EQ(c.get(Command::TG), none ? arch::TlbiTg::any : arch::TlbiTg::k4);
        EXPECT_EQ(c.get(Command::TTL), 0U);
      }
    }
  }
  ASSERT_TRUE(device->detach(Target::pasid(3)).ok());
  EXPECT_TRUE(d.destroy());
}

// 10, 5: the CD stays valid and walks nothing; one store each; then nothing of it is in any TLB or ATC.
TEST_F(Sva, WhenTheProcessEndsItsCdsFallSilentHitlessly) {
  auto& d = domain();
  ASSERT_TRUE(device->attach(d, Target::pasid(3)).ok());
  ASSERT_TRUE(device->attach(d, Target::pasid(200)).ok());
  const Cd live = cd(3);
  m.fake.forget();
  EXPECT_TRUE(space.user->ended());
  for (const std::uint32_t pasid : {3U, 200U}) {
    const Cd quiet = cd(pasid);
    EXPECT_EQ(quiet, live.with(Cd::EPD0, 1)
                         .with(Cd::R, 0)
                         .with(Cd::T0SZ, 0)
                         .with(Cd::TTB0, 0)
                         .with(Cd::IR0, {})
                         .with(Cd::OR0, {})
                         .with(Cd::SH0, {}));
  }
  EXPECT_EQ(m.fake.count(Opcode::CMD_CFGI_STE), 0U);
  const auto asid = static_cast<std::uint16_t>(live.get(Cd::ASID));
  const auto commands = m.fake.commands();
  const auto flush = std::ranges::find(commands, arch::cmd::tlbi_nh_asid(0, asid));
  ASSERT_NE(flush, commands.end());
  EXPECT_EQ(std::ranges::count_if(flush, commands.end(),
                                  [](const Command& c) { return c.get(Command::Opcode) == Opcode::CMD_ATC_INV; }),
            2);
  EXPECT_EQ(device->attach(d, Target::pasid(5)), Errc::not_found);
  EXPECT_EQ(device->attached(Target::pasid(3)), &d) << "detaching is the owner's";
  ASSERT_TRUE(device->replace(m.paging(), Target::pasid(3), {.require_hitless = true}).ok());
  ASSERT_TRUE(device->detach(Target::pasid(200)).ok());
  EXPECT_TRUE(d.destroy());
}

// 10: ILLEGAL otherwise, 5.5.
TEST(SvaQuiet, WithForcedStallsTheSilentCdStalls) {
  driver::EntryFacts facts;
  facts.stalls_forced = true;
  EXPECT_EQ(driver::quiet_cd(facts, Cd{}).get(Cd::S), 1U);
  facts.stalls_forced = false;
  EXPECT_EQ(driver::quiet_cd(facts, Cd{}).get(Cd::S), 0U);
}

// 21, CVE-2026-23429: unbinding while a notification runs.
TEST_F(Sva, ADomainThatIsDestroyedDuringACallIsFreedWhenTheCallReturns) {
  auto& d = domain();
  const auto live = m.port.memory.counts().live();
  space.busy = true;
  EXPECT_TRUE(d.destroy());
  ASSERT_TRUE(space.leaving);
  EXPECT_EQ(m.port.memory.counts().live(), live) << "the call still uses it";
  EXPECT_TRUE(space.user->changed(0, 0x1000));
  EXPECT_TRUE(space.user->ended());
  space.leave();
  EXPECT_EQ(m.port.memory.counts().live(), live - 1);
}

// 22
TEST_F(Sva, ItsAsidIsFlushedBeforeItIsGivenBack) {
  auto& d = domain();
  ASSERT_TRUE(device->attach(d, Target::pasid(3)).ok());
  const auto asid = static_cast<std::uint16_t>(cd(3).get(Cd::ASID));
  m.fake.forget();
  ASSERT_TRUE(device->detach(Target::pasid(3)).ok());
  const auto commands = m.fake.commands();
  EXPECT_NE(std::ranges::find(commands, arch::cmd::tlbi_nh_asid(0, asid)), commands.end());
  EXPECT_TRUE(d.destroy());
  EXPECT_EQ(m.paging().tag().id, asid);
}

TEST_F(Sva, AChangeThatIsNotConfirmedSaysSoAndItsAsidIsNotReused) {
  auto& d = domain();
  ASSERT_TRUE(device->attach(d, Target::pasid(3)).ok());
  m.fake.stopped = true;
  EXPECT_EQ(space.user->changed(0x1000, 0x1000), Errc::timed_out);
  EXPECT_EQ(space.user->ended(), Errc::smmu_failed);
  ASSERT_TRUE(m.remove(*std::exchange(device, nullptr)));
  EXPECT_TRUE(d.destroy());
  EXPECT_TRUE(m.logged(driver::Code::tag_retired));
}

} // namespace
} // namespace sluice::test

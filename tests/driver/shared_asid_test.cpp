#include "fake_function.hpp"
#include "fake_space.hpp"
#include "states.hpp"

#include <sluice/driver/sva_domain.hpp>

#include <thread>

// 24: address spaces under the processors' ASIDs, and the domains that had these before. 3.17, 5.4 ASET
namespace sluice::test {
namespace {

using arch::Cd;
using arch::Command;
using arch::CR2;
using arch::Opcode;
using arch::Ste;
using arch::Strw;
using driver::Broadcast;
using iommu::Target;

struct AsidWorld {
  struct Setup {
    Broadcast broadcast{Broadcast::el1};
    bool btm{true};
    bool hyp{true};
    bool long_asids{true};
    std::uint64_t timeout_us{2000};
  };
  AsidWorld() : AsidWorld{Setup{}} {}
  explicit AsidWorld(const Setup& setup) {
    PasidMachine::give_substreams(m.fake);
    m.fake.id(m.fake.get<arch::IDR0>()
                  .with(arch::IDR0::ATS, 1)
                  .with(arch::IDR0::BTM, setup.btm)
                  .with(arch::IDR0::Hyp, setup.hyp)
                  .with(arch::IDR0::ASID16, setup.long_asids));
    auto config = Machine::quick();
    config.broadcast = setup.broadcast;
    config.timeout_us = setup.timeout_us;
    EXPECT_TRUE(m.start(config));
    const StreamID sid = 0x10;
    device = *m.smmu->add(&function, {&sid, 1});
    m.devices.insert(device);
  }
  ~AsidWorld() {
    m.fake.on_command = nullptr;
    m.fake.stopped = false;
    EXPECT_TRUE(m.remove(*device));
    for (auto* d : made) {
      EXPECT_TRUE(d->destroy());
    }
  }
  base::Result<iommu::Domain*> try_sva(FakeSpace& of) {
    auto domain = m.smmu->make_sva(of);
    if (domain) {
      made.push_back(*domain);
    }
    return domain;
  }
  driver::SvaDomain& sva(std::uint16_t asid) {
    space.known_as = asid;
    auto domain = try_sva(space);
    EXPECT_TRUE(domain.ok());
    return static_cast<driver::SvaDomain&>(**domain);
  }
  Cd cd(std::uint32_t pasid = 0, StreamID sid = 0x10) { return m.cd(sid, pasid).value_or(Cd{}); }
  std::vector<Opcode> opcodes() {
    std::vector<Opcode> all;
    for (const auto& c : m.fake.commands()) {
      all.push_back(c.get(Command::Opcode));
    }
    return all;
  }

  FakeSpace space;
  FakeFunction function;
  Machine m;
  iommu::Device* device{};
  std::vector<iommu::Domain*> made;
};
struct SharedAsids : testing::Test, AsidWorld {};

TEST_F(SharedAsids, AnAddressSpaceHasTheProcessorsAndADomainOneOfItsOwn) {
  EXPECT_EQ(m.fake.get<CR2>().get(CR2::PTM), 0U) << "the TLBs listen";
  auto& domain = m.paging();
  auto& shared = sva(77);
  EXPECT_TRUE(shared.shared());
  ASSERT_TRUE(device->attach(domain).ok());
  ASSERT_TRUE(device->attach(shared, Target::pasid(3)).ok());
  EXPECT_EQ(cd(3).get(Cd::ASID), 77U);
  EXPECT_EQ(cd(3).get(Cd::ASET), 0U);
  EXPECT_EQ(cd(0).get(Cd::ASET), 1U);
}

TEST(SharedAsidsOtherwise, TheyAreTheSmmusAndItsTlbsDoNotListen) {
  for (const auto& setup : {AsidWorld::Setup{.broadcast = Broadcast::ignored}, AsidWorld::Setup{.btm = false},
                            AsidWorld::Setup{.broadcast = Broadcast::el2_e2h, .hyp = false}}) {
    AsidWorld w{setup};
    EXPECT_EQ(w.m.fake.get<CR2>().get(CR2::PTM), setup.btm ? 1U : 0U);
    EXPECT_EQ(w.m.fake.get<CR2>().get(CR2::E2H), 0U);
    auto& own = w.sva(77);
    EXPECT_FALSE(own.shared());
    ASSERT_TRUE(w.device->attach(own, Target::pasid(3)).ok());
    EXPECT_EQ(w.cd(3).get(Cd::ASET), 1U);
    EXPECT_NE(w.cd(3).get(Cd::ASID), 77U);
  }
}

TEST_F(SharedAsids, AChangeTellsTheEndpointsAlone) {
  ASSERT_TRUE(device->attach(sva(77), Target::pasid(3)).ok());
  m.fake.forget();
  EXPECT_TRUE(space.user->changed(0x7000, 0x1000).ok());
  EXPECT_EQ(opcodes(), (std::vector{Opcode::CMD_ATC_INV, Opcode::CMD_SYNC}));
}

TEST_F(SharedAsids, WhenTheProcessEndsNothingOfItIsLeft) {
  ASSERT_TRUE(device->attach(sva(77), Target::pasid(3)).ok());
  m.fake.forget();
  EXPECT_TRUE(space.user->ended().ok());
  const auto commands = m.fake.commands();
  EXPECT_EQ(std::ranges::count(commands, arch::cmd::tlbi_nh_asid(0, 77)), 1);
  EXPECT_EQ(cd(3).get(Cd::EPD0), 1U);
}

TEST_F(SharedAsids, ItIsFlushedAndCanBeAnothersWhenTheDomainHasGone) {
  auto& shared = sva(1);
  ASSERT_TRUE(device->attach(shared, Target::pasid(3)).ok());
  m.fake.forget();
  ASSERT_TRUE(device->detach(Target::pasid(3)).ok());
  const auto commands = m.fake.commands();
  EXPECT_EQ(std::ranges::count(commands, arch::cmd::tlbi_nh_asid(0, 1)), 1);
  ASSERT_TRUE(made[0]->destroy());
  made.clear();
  EXPECT_EQ(m.paging().tag().id, 1U);
}

// All CDs by one store each, then the flush; and all that before the process has it.
TEST_F(SharedAsids, ADomainThatHasItTakesAnotherOneHitlesslyAndTheOldOneIsFlushed) {
  auto& domain = m.paging();
  auto& beside = m.add({0x42});
  ASSERT_TRUE(device->attach(domain).ok());
  ASSERT_TRUE(device->attach(domain, Target::pasid(5)).ok());
  ASSERT_TRUE(beside.attach(domain).ok()); // a lone CD
  const auto old = domain.tag().id;
  const Cd before[] = {cd(0), cd(5), cd(0, 0x42)};
  m.fake.forget();
  m.fake.on_command = [&](const Command&) {
    for (const auto& [pasid, sid, was] :
         {std::tuple{0U, 0x10U, before[0]}, {5U, 0x10U, before[1]}, {0U, 0x42U, before[2]}}) {
      const Cd now = cd(pasid, sid);
      EXPECT_EQ(now.with(Cd::ASID, old).w, was.w) << "nothing else changes, V least of all";
    }
  };
  auto& shared = sva(old);
  m.fake.on_command = nullptr;
  EXPECT_EQ(shared.tag().id, old);
  EXPECT_NE(domain.tag().id, old);
  for (const Cd& c : {cd(0), cd(5), cd(0, 0x42)}) {
    EXPECT_EQ(c.get(Cd::ASID), domain.tag().id);
  }
  const auto commands = m.fake.commands();
  EXPECT_EQ(m.fake.count(Opcode::CMD_CFGI_CD), 3U);
  ASSERT_GE(commands.size(), 2U);
  EXPECT_EQ(commands[commands.size() - 2], arch::cmd::tlbi_nh_asid(0, old)) << "when no CD says it any more";
  EXPECT_EQ(commands.back(), arch::cmd::sync());
  EXPECT_EQ(m.smmu->counters().asids_moved, 1U);
  // What is attached from now on has it, too.
  ASSERT_TRUE(device->attach(domain, Target::pasid(7)).ok());
  ASSERT_TRUE(device->detach().ok());
  EXPECT_EQ(cd(7).get(Cd::ASID), domain.tag().id);
  ASSERT_TRUE(beside.detach().ok());
}

TEST_F(SharedAsids, ATableThatIsMadeLaterHasTheNewOneForTheRid) {
  auto& domain = m.paging();
  ASSERT_TRUE(device->attach(domain).ok());
  sva(domain.tag().id);
  ASSERT_TRUE(device->attach(m.paging(), Target::pasid(7)).ok());
  EXPECT_EQ(cd(0).get(Cd::ASID), domain.tag().id);
}

// The race that the author of the patch noted: an unmapping in between names both. The SMMU stops when it has been told
// of the CD, until the unmapping has sent what it sends.
TEST(SharedAsidsMoved, AnUnmapWhileItIsMovedNamesBothAndOneAfterwardsTheNewAlone) {
  AsidWorld w{{.timeout_us = 10'000'000}};
  auto& domain = w.m.paging();
  ASSERT_TRUE(domain.map(0x100000, 0x40000000, 0x10000, iommu::prot::read_write).ok());
  ASSERT_TRUE(w.device->attach(domain).ok());
  const auto old = domain.tag().id;
  base::Atomic<std::uint32_t> stopped{0};
  std::vector<std::uint16_t> named;
  w.m.fake.on_command = [&](const Command& c) {
    if (c.get(Command::Opcode) == Opcode::CMD_TLBI_NH_VA) {
      named.push_back(static_cast<std::uint16_t>(c.get(Command::ASID)));
    }
    if (c.get(Command::Opcode) == Opcode::CMD_CFGI_CD) {
      w.m.fake.stopped = true;
      stopped.store(1);
    }
  };
  std::jthread mover{[&] { w.sva(old); }};
  auto& time = w.m.port.time;
  ASSERT_TRUE(platform::wait_until(time, 10'000'000, [&] { return stopped.load() == 1; }));
  const auto before = w.m.smmu->counters().commands;
  std::jthread unmapper{[&] { EXPECT_TRUE(domain.unmap(0x100000, 0x1000).ok()); }};
  ASSERT_TRUE(platform::wait_until(time, 10'000'000, [&] { return w.m.smmu->counters().commands >= before + 2; }));
  w.m.fake.go_on();
  mover.join();
  unmapper.join();
  const auto now = domain.tag().id;
  EXPECT_NE(now, old);
  EXPECT_EQ(named, (std::vector{now, old}));
  named.clear();
  EXPECT_TRUE(domain.unmap(0x101000, 0x1000).ok());
  EXPECT_EQ(named, std::vector{now});
}

TEST_F(SharedAsids, AMoveThatIsNotConfirmedGivesTheAsidToNobody) {
  auto& domain = m.paging();
  ASSERT_TRUE(device->attach(domain).ok());
  space.known_as = domain.tag().id;
  for (const std::uint64_t n : {0U, 1U, 2U, 3U}) { // CFGI_CD, SYNC, TLBI, SYNC
    m.fake.stop_after = m.fake.consumed() + n;
    const auto sva = try_sva(space);
    EXPECT_EQ(sva, n == 0 ? Errc::timed_out : Errc::smmu_failed);
    EXPECT_EQ(space.user, nullptr) << "and nobody listens";
  }
  EXPECT_TRUE(m.smmu->failed());
  ASSERT_TRUE(device->detach().ok());
  ASSERT_TRUE(m.destroy(domain));
  EXPECT_TRUE(m.logged(driver::Code::tag_retired));
}

TEST_F(SharedAsids, OfADomainThatIsDistrustedItIsNotTaken) {
  auto& domain = m.paging();
  domain.distrust();
  auto& own = sva(domain.tag().id);
  EXPECT_FALSE(own.shared()) << "it has one of the SMMU's, and is invalidated by commands";
  ASSERT_TRUE(device->attach(own, Target::pasid(3)).ok());
  m.fake.forget();
  EXPECT_TRUE(space.user->changed(0x7000, 0x1000).ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_VA), 1U);
}

TEST_F(SharedAsids, TwoAddressSpacesDoNotHaveOneAndTheFirstKeepsIt) {
  auto& first = sva(77);
  FakeSpace second;
  second.known_as = 77;
  EXPECT_EQ(try_sva(second), Errc::invalid_argument);
  EXPECT_EQ(second.user, nullptr);
  EXPECT_TRUE(first.shared());
  ASSERT_TRUE(device->attach(first, Target::pasid(3)).ok());
  EXPECT_EQ(cd(3).get(Cd::ASID), 77U);
}

TEST(SharedAsidsOtherwise, OneThatIsTooLongForTheSmmuIsNotShared) {
  AsidWorld w{{.long_asids = false}};
  EXPECT_FALSE(w.sva(256).shared());
}

TEST(SharedAsidsOtherwise, WithoutAnotherAsidNothingIsMovedAndNothingLeft) {
  AsidWorld w{{.long_asids = false}};
  std::vector<driver::PagingDomain*> all;
  for (int i = 1; i < 256; ++i) {
    all.push_back(&w.m.paging());
  }
  ASSERT_TRUE(w.device->attach(*all[0]).ok());
  w.m.fake.forget();
  w.space.known_as = all[0]->tag().id;
  EXPECT_EQ(w.try_sva(w.space), Errc::ids_exhausted);
  EXPECT_TRUE(w.m.fake.commands().empty());
  EXPECT_EQ(w.space.user, nullptr);
  EXPECT_EQ(all[0]->tag().id, w.space.known_as);
}

TEST_F(SharedAsids, WithoutMemoryNothingIsMovedAndNothingLeft) {
  auto& domain = m.paging();
  ASSERT_TRUE(device->attach(domain).ok());
  space.known_as = domain.tag().id;
  for (std::uint64_t n = 1;; ++n) {
    const auto live = m.port.memory.counts().live();
    m.fake.forget();
    m.port.memory.fail(n);
    const auto domain_of_space = try_sva(space);
    m.port.memory.fail(0);
    if (domain_of_space.ok()) {
      EXPECT_GE(n, 2U);
      break;
    }
    EXPECT_EQ(domain_of_space, Errc::no_memory);
    EXPECT_TRUE(m.fake.commands().empty());
    EXPECT_EQ(m.port.memory.counts().live(), live);
    EXPECT_EQ(domain.tag().id, space.known_as);
  }
  EXPECT_NE(domain.tag().id, space.known_as);
}

// A kernel at EL2 has its processes in NS-EL2-E2H: what has its ASIDs is there, with all that shares an STE with it.
TEST(SharedAsidsAtEl2, FirstStagesAreInTheProcessorsStreamWorld) {
  AsidWorld w{{.broadcast = Broadcast::el2_e2h}};
  EXPECT_EQ(w.m.fake.get<CR2>().get(CR2::E2H), 1U);
  EXPECT_EQ(w.m.fake.get<CR2>().get(CR2::PTM), 0U);
  auto& domain = w.m.paging();
  ASSERT_TRUE(domain.map(0x100000, 0x40000000, 0x10000, iommu::prot::read_write).ok());
  ASSERT_TRUE(w.device->attach(domain).ok());
  EXPECT_EQ(w.m.ste(0x10)->get(Ste::STRW), Strw::el2);
  ASSERT_TRUE(w.device->attach(w.sva(domain.tag().id), Target::pasid(3)).ok());
  EXPECT_EQ(w.m.ste(0x10)->get(Ste::STRW), Strw::el2);
  EXPECT_EQ(w.m.fake.count(Opcode::CMD_TLBI_EL2_ASID), 1U) << "of the ASID that was moved";
  w.m.fake.forget();
  EXPECT_TRUE(domain.unmap(0x100000, 0x1000).ok());
  EXPECT_EQ(w.m.fake.count(Opcode::CMD_TLBI_EL2_VA), 1U);
  EXPECT_EQ(w.m.fake.count(Opcode::CMD_TLBI_NH_VA), 0U);
  EXPECT_TRUE(w.device->replace(w.m.smmu->identity(), {}, {.require_hitless = true}).ok());
}

TEST_F(SharedAsids, AtEl1TheStreamWorldIsEl1) {
  ASSERT_TRUE(device->attach(sva(77), Target::pasid(3)).ok());
  EXPECT_EQ(m.ste(0x10)->get(Ste::STRW), Strw::el1);
}

} // namespace
} // namespace sluice::test

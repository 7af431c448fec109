#include "shared_asid_world.hpp"

#include <thread>

// 24: a domain that has the ASID of a process takes another one. 3.17, 5.4 ASET
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

} // namespace
} // namespace sluice::test

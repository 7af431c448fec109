#include "shared_asid_world.hpp"

// 24: address spaces under the processors' ASIDs. 3.17, 5.4 ASET
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

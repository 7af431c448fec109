#include "fake_unit.hpp"

namespace sluice::test {
namespace {

struct Attaching : testing::Test, World {
  void TearDown() override {
    for (auto* d : {&x, &y}) {
      for (const auto t : {Target::rid(), Target::pasid(1), Target::pasid(2)}) {
        static_cast<void>(d->detach(t));
      }
    }
  }
};

TEST_F(Attaching, PreparesBeforeItCommits) {
  ASSERT_TRUE(x.attach(a).ok());
  EXPECT_EQ(unit.trace, (Trace{"x prepare A at rid", "x commit A at rid"}));
  EXPECT_EQ(x.attached(), &a);
  EXPECT_EQ(a.users(), 1U);
}

TEST_F(Attaching, SaysWhatItTook) {
  const auto change = x.attach(a);
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->hitless);
  EXPECT_EQ(change->commands, 2U);
}

TEST_F(Attaching, WhereSomethingIsAttachedIsRefused) {
  ASSERT_TRUE(x.attach(a).ok());
  EXPECT_EQ(x.attach(b), Errc::already_attached);
  EXPECT_EQ(x.attach(a), Errc::already_attached);
  EXPECT_EQ(x.attached(), &a);
  EXPECT_EQ(b.users(), 0U);
}

TEST_F(Attaching, ReplaceWhereNothingIsAttachedIsRefused) {
  EXPECT_EQ(x.replace(a), Errc::not_attached);
  EXPECT_EQ(x.attached(), nullptr);
}

TEST_F(Attaching, ReplaceMovesTheUser) {
  ASSERT_TRUE(x.attach(a).ok());
  ASSERT_TRUE(x.replace(b).ok());
  EXPECT_EQ(a.users(), 0U);
  EXPECT_EQ(b.users(), 1U);
  EXPECT_EQ(x.attached(), &b);
}

TEST_F(Attaching, ReplaceByTheSameDomainKeepsOneUser) {
  ASSERT_TRUE(x.attach(a).ok());
  ASSERT_TRUE(x.replace(a).ok());
  EXPECT_EQ(a.users(), 1U);
}

TEST_F(Attaching, DetachWhereNothingIsAttachedIsRefused) { EXPECT_EQ(x.detach(), Errc::not_attached); }

TEST_F(Attaching, DetachTakesTheUserAway) {
  ASSERT_TRUE(x.attach(a).ok());
  ASSERT_TRUE(x.detach().ok());
  EXPECT_EQ(a.users(), 0U);
  EXPECT_EQ(x.attached(), nullptr);
}

TEST_F(Attaching, AnotherUnitsDomainIsRefused) {
  FakeUnit other{port};
  FakeDomain foreign{other, "F", other.trace};
  EXPECT_EQ(x.attach(foreign), Errc::other_smmu);
  EXPECT_TRUE(unit.trace.empty());
}

TEST_F(Attaching, AFailedPrepareChangesNothing) {
  ASSERT_TRUE(x.attach(a).ok());
  x.refuses = true;
  x.refuse = Errc::no_memory;
  EXPECT_EQ(x.replace(b), Errc::no_memory);
  EXPECT_EQ(x.attached(), &a);
  EXPECT_EQ(a.users(), 1U);
  EXPECT_EQ(b.users(), 0U);
}

TEST_F(Attaching, WhoAsksForHitlessIsRefusedBeforehand) {
  x.refuses_hitless = true;
  EXPECT_EQ(x.attach(a, {}, {.require_hitless = true}), Errc::not_hitless);
  EXPECT_TRUE(x.attach(a).ok());
}

TEST_F(Attaching, PasidsAndTheRidAreApart) {
  ASSERT_TRUE(x.attach(a).ok());
  ASSERT_TRUE(x.attach(a, Target::pasid(1)).ok());
  ASSERT_TRUE(x.attach(b, Target::pasid(2)).ok());
  EXPECT_EQ(a.users(), 2U);
  EXPECT_EQ(x.attached(Target::pasid(2)), &b);
  EXPECT_EQ(x.attach(b, Target::pasid(1)), Errc::already_attached);
  ASSERT_TRUE(x.detach(Target::pasid(1)).ok());
  EXPECT_EQ(x.attached(Target::pasid(1)), nullptr);
  EXPECT_EQ(x.attached(), &a);
}

struct Domains : Attaching {};

TEST_F(Domains, InUseAreNotDestroyed) {
  ASSERT_TRUE(x.attach(a).ok());
  EXPECT_EQ(a.destroy(), Errc::in_use);
  ASSERT_TRUE(x.detach().ok());
  EXPECT_TRUE(a.destroy());
  EXPECT_EQ(unit.trace.back(), "release A");
}

TEST_F(Domains, HeldAreNotDestroyed) {
  a.hold();
  EXPECT_EQ(a.destroy(), Errc::in_use);
  a.drop();
  EXPECT_TRUE(a.destroy());
}

TEST_F(Domains, WithoutOperationsAnswerUnsupported) {
  EXPECT_EQ(a.map(0, 0, 0x1000, iommu::prot::read).error(), Errc::unsupported);
  EXPECT_EQ(a.unmap(0, 0x1000).error(), Errc::unsupported);
  EXPECT_EQ(a.iova_to_phys(0), Errc::unsupported);
}

TEST_F(Domains, ReportToTheHandlerThatTheyHave) {
  struct Count : iommu::FaultHandler {
    void on_fault(const iommu::Fault&) override { ++faults; }
    int faults{};
  } count;
  EXPECT_FALSE(a.report({}));
  a.set_fault_handler(&count);
  EXPECT_TRUE(a.report({}));
  a.set_fault_handler(nullptr);
  EXPECT_FALSE(a.report({}));
  EXPECT_EQ(count.faults, 1);
}

TEST(Units, WithoutOptionalOperationsAnswerUnsupported) {
  World w;
  EXPECT_EQ(w.unit.hw_info(0, {}), Errc::unsupported);
  EXPECT_EQ(w.unit.viommu_alloc(1, w.a, {}), Errc::unsupported);
}

TEST(Units, AVirtualUnitWithoutOperationsExecutesNothing) {
  World w;
  struct Nothing : iommu::Viommu {
    base::Status destroy() override { return {}; }
  } viommu;
  iommu::InvalidateRequest request{.type = 1, .entry_size = 16, .entries = {}, .done = 7};
  EXPECT_EQ(viommu.invalidate(request), Errc::unsupported);
  EXPECT_EQ(request.done, 0U);
  EXPECT_EQ(viommu.nested_alloc(1, {}), Errc::unsupported);
  EXPECT_EQ(viommu.vdevice_add(w.x, 1), Errc::unsupported);
  EXPECT_EQ(viommu.vdevice_remove(w.x), Errc::unsupported);
  EXPECT_EQ(viommu.set_event_sink(1, nullptr), Errc::unsupported);
}

TEST(Geometry, ThePageIsTheSmallestSize) { EXPECT_EQ((iommu::Geometry{.page_sizes = 0x40201000}).page(), 0x1000U); }

TEST(Changes, AddUp) {
  Change sum{.stores = 1, .commands = 2, .syncs = 3};
  sum += Change{.hitless = false, .gap = iommu::Gap::split_fetch, .confirmed = false, .stores = 10};
  EXPECT_FALSE(sum.hitless);
  EXPECT_FALSE(sum.confirmed);
  EXPECT_EQ(sum.gap, iommu::Gap::split_fetch);
  EXPECT_EQ(sum.stores, 11U);
  EXPECT_EQ(sum.syncs, 3U);
}

struct Groups : Attaching {
  void SetUp() override {
    ASSERT_TRUE(group.add(x));
    ASSERT_TRUE(group.add(y));
  }
  void TearDown() override { static_cast<void>(group.detach()); }
  iommu::Group group{unit};
};

TEST_F(Groups, AllArePreparedBeforeTheFirstIsChanged) {
  ASSERT_TRUE(group.attach(a).ok());
  ASSERT_EQ(unit.trace.size(), 4U);
  EXPECT_TRUE(unit.trace[0].find("prepare") != std::string::npos);
  EXPECT_TRUE(unit.trace[1].find("prepare") != std::string::npos);
  EXPECT_EQ(a.users(), 2U);
  EXPECT_EQ(group.attached(), &a);
}

TEST_F(Groups, OneRefusalAbandonsAll) {
  x.refuses = true;
  x.refuse = Errc::no_memory;
  EXPECT_EQ(group.attach(a), Errc::no_memory);
  EXPECT_EQ(a.users(), 0U);
  EXPECT_EQ(x.attached(), nullptr);
  EXPECT_EQ(y.attached(), nullptr);
  EXPECT_EQ(unit.trace, (Trace{"y prepare A at rid", "y abandon A at rid"}));
}

TEST_F(Groups, AMemberIsNotChangedAlone) {
  EXPECT_EQ(x.attach(a), Errc::busy);
  ASSERT_TRUE(group.attach(a).ok());
  EXPECT_EQ(x.replace(b), Errc::busy);
  EXPECT_EQ(x.detach(), Errc::busy);
}

TEST_F(Groups, ReplaceAndDetachGoForAll) {
  EXPECT_EQ(group.replace(a), Errc::not_attached);
  EXPECT_EQ(group.detach(), Errc::not_attached);
  ASSERT_TRUE(group.attach(a).ok());
  EXPECT_EQ(group.attach(b), Errc::already_attached);
  ASSERT_TRUE(group.replace(b).ok());
  EXPECT_EQ(a.users(), 0U);
  EXPECT_EQ(b.users(), 2U);
  ASSERT_TRUE(group.detach().ok());
  EXPECT_EQ(b.users(), 0U);
}

TEST_F(Groups, MembersComeAndGoOnlyWhileNothingIsAttached) {
  ASSERT_TRUE(group.attach(a).ok());
  FakeDevice z{unit, "z"};
  EXPECT_EQ(group.add(z), Errc::already_attached);
  EXPECT_EQ(group.remove(x), Errc::in_use);
  ASSERT_TRUE(group.detach().ok());
  EXPECT_TRUE(group.remove(x));
  EXPECT_EQ(group.remove(x), Errc::not_found);
  EXPECT_TRUE(x.attach(a).ok()) << "alone again";
  EXPECT_EQ(group.add(x), Errc::already_attached);
  ASSERT_TRUE(x.detach().ok());
}

TEST_F(Groups, ADeviceIsInOneGroup) {
  iommu::Group other{unit};
  EXPECT_EQ(other.add(x), Errc::busy);
  FakeUnit far{port};
  FakeDevice stranger{far, "s"};
  EXPECT_EQ(group.add(stranger), Errc::other_smmu);
}

TEST_F(Groups, AnEmptyGroupHasNothingToAttach) {
  iommu::Group empty{unit};
  EXPECT_EQ(empty.attach(a), Errc::not_found);
  EXPECT_EQ(empty.detach(), Errc::not_found);
  EXPECT_EQ(empty.attached(), nullptr);
}

} // namespace
} // namespace sluice::test

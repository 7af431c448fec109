#include "nested.hpp"

namespace sluice::test {
namespace {

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

} // namespace
} // namespace sluice::test

#include "nested.hpp"

namespace sluice::test {
namespace {

using arch::Ste;
using arch::SteConfig;

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

} // namespace
} // namespace sluice::test

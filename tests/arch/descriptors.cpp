#include <sluice/arch/descriptors.hpp>

#include <gtest/gtest.h>

namespace sluice::arch {
namespace {

// D8.3.1: AttrIndx [4:2], AP [7:6], SH [9:8], AF [10], nG [11], OA [47:12], DBM [51], PXN [53], UXN [54]
TEST(Descriptors, AStage1PageIsTheWordWorkedOutByHand) {
  S1Leaf leaf;
  leaf.set(S1Leaf::Valid, 1)
      .set(S1Leaf::Type, 1)
      .set(S1Leaf::AttrIndx, 2)
      .set(S1Leaf::AP, Ap::rw)
      .set(S1Leaf::SH, Shareability::inner)
      .set(S1Leaf::AF, 1)
      .set(S1Leaf::nG, 1)
      .set(S1Leaf::OA, 0x1234'5678'9000)
      .set(S1Leaf::PXN, 1)
      .set(S1Leaf::UXN, 1);
  // [11:0]: nG 0x800, AF 0x400, SH 0x300, AP 0x40, AttrIndx 8, 3 = 0xf4b
  EXPECT_EQ(leaf.w[0], 0x0060'1234'5678'9f4bu);
}

// D8.3.1: MemAttr [5:2], S2AP [7:6], SH [9:8], AF [10], Contiguous [52], XN [54:53]
TEST(Descriptors, AStage2BlockIsTheWordWorkedOutByHand) {
  S2Leaf leaf;
  leaf.set(S2Leaf::Valid, 1)
      .set(S2Leaf::MemAttr, MemAttr::owb_iwb)
      .set(S2Leaf::S2AP, S2Ap::rw)
      .set(S2Leaf::SH, Shareability::inner)
      .set(S2Leaf::AF, 1)
      .set(S2Leaf::OA, 0x4020'0000)
      .set(S2Leaf::Contiguous, 1)
      .set(S2Leaf::XN, S2Xn::no_execute);
  // [11:0]: AF 0x400, SH 0x300, S2AP 0xc0, MemAttr 0x3c, 1 = 0x7fd
  EXPECT_EQ(leaf.w[0], 0x0050'0000'4020'07fdu);
  EXPECT_EQ(S2Leaf{}.with(S2Leaf::FwbAttr, FwbMemAttr::normal_wb).w[0], 0x18u);
}

TEST(Descriptors, ATableIsTheWordWorkedOutByHand) {
  S1Table table;
  table.set(S1Table::Valid, 1).set(S1Table::Type, 1).set(S1Table::NLTA, 0xabcd'e000);
  EXPECT_EQ(table.w[0], 0xabcd'e003u);
  table.set(S1Table::NSTable, 1).set(S1Table::APTable, 3).set(S1Table::UXNTable, 1).set(S1Table::PXNTable, 1);
  EXPECT_EQ(table.w[0], 0xf800'0000'abcd'e003u);
}

TEST(Descriptors, TheLowTwoBitsAreTheType) {
  EXPECT_EQ(descriptor_type(0x1000), DescriptorType::invalid);
  EXPECT_EQ(descriptor_type(0x1001), DescriptorType::block);
  EXPECT_EQ(descriptor_type(0x1002), DescriptorType::invalid_too);
  EXPECT_EQ(descriptor_type(0x1003), DescriptorType::table_or_page);
}

TEST(Descriptors, AnAddressOf48BitsIsInPlace) {
  constexpr std::uint64_t all = ~std::uint64_t{0};
  EXPECT_EQ(table_address(Granule::k4, AddressBits::a48, all), 0xffff'ffff'f000u);
  EXPECT_EQ(table_address(Granule::k16, AddressBits::a48, all), 0xffff'ffff'c000u);
  EXPECT_EQ(table_address(Granule::k64, AddressBits::a48, all), 0xffff'ffff'0000u);
  EXPECT_EQ(leaf_address(Granule::k4, 2, AddressBits::a48, all), 0xffff'ffe0'0000u);
  EXPECT_EQ(leaf_address(Granule::k4, 1, AddressBits::a48, all), 0xffff'c000'0000u);
  EXPECT_EQ(leaf_address(Granule::k64, 2, AddressBits::a48, all), 0xffff'e000'0000u);
}
// With 64K and 52 bits, [15:12] are OA[51:48].
TEST(Descriptors, The64KGranuleHasItsUpperBitsIn15To12) {
  const std::uint64_t address = 0x000a'1234'5678'0000;
  EXPECT_EQ(put_leaf_address(Granule::k64, 3, AddressBits::a52, address), 0x0000'1234'5678'a000u);
  EXPECT_EQ(leaf_address(Granule::k64, 3, AddressBits::a52, 0x0000'1234'5678'a000), address);
  EXPECT_EQ(put_leaf_address(Granule::k64, 1, AddressBits::a52, 0x000f'fc00'0000'0000), 0x0000'fc00'0000'f000u);
}
// With DS, [49:48] are OA[49:48] and [9:8] are OA[51:50].
TEST(Descriptors, TheOtherGranulesHaveTheirUpperBitsIn9To8) {
  const std::uint64_t address = 0x000b'1234'5678'9000; // OA[51:48] is 0b1011
  EXPECT_EQ(put_leaf_address(Granule::k4, 3, AddressBits::a52, address), 0x0003'1234'5678'9200u);
  EXPECT_EQ(leaf_address(Granule::k4, 3, AddressBits::a52, 0x0003'1234'5678'9200), address);
  EXPECT_EQ(put_table_address(Granule::k16, AddressBits::a52, 0x0004'0000'0000'4000), 0x4100u);
}
TEST(Descriptors, AnAddressGoesThereAndBackAtEveryLevel) {
  for (auto g : {Granule::k4, Granule::k16, Granule::k64}) {
    for (auto bits : {AddressBits::a48, AddressBits::a52}) {
      for (int level = -1; level <= 3; ++level) {
        if (!leaf_allowed(g, level, bits)) {
          continue;
        }
        const std::uint64_t top = bits == AddressBits::a52 ? 0x000f'ffff'ffff'ffff : 0x0000'ffff'ffff'ffff;
        const std::uint64_t address = top & ~(level_size(g, level) - 1);
        const std::uint64_t d = put_leaf_address(g, level, bits, address);
        EXPECT_EQ(leaf_address(g, level, bits, d), address);
        EXPECT_EQ(d, address_mask(g, level_shift(g, level), bits));
        EXPECT_EQ(leaf_address(g, level, bits, ~d), 0u);
      }
    }
  }
}

TEST(Descriptors, PermissionsReadAsTheManualsTable) {
  EXPECT_FALSE(read_only(Ap::privileged_rw) || read_only(Ap::rw));
  EXPECT_TRUE(read_only(Ap::privileged_ro) && read_only(Ap::ro));
  EXPECT_TRUE(unprivileged(Ap::rw) && unprivileged(Ap::ro));
  EXPECT_FALSE(unprivileged(Ap::privileged_rw) || unprivileged(Ap::privileged_ro));
}

TEST(Attributes, OnlyTheFourLowTypesAreDevice) {
  EXPECT_TRUE(is_device(MemAttr::device_ngnrne) && is_device(MemAttr::device_gre));
  EXPECT_FALSE(is_device(MemAttr::onc_inc) || is_device(MemAttr::owb_iwb));
}

} // namespace
} // namespace sluice::arch

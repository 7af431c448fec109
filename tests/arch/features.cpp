#include <sluice/arch/features.hpp>

#include <gtest/gtest.h>

namespace sluice::arch {
namespace {

// What QEMU 11.1 shows with stage=nested.
IdRegisters qemu() {
  IdRegisters id;
  id.idr0 = IDR0::from(0x0d44'101b);
  id.idr1 = IDR1::from(0x0273'0010);
  id.idr3 = IDR3::from(0x0000'1414);
  id.idr5 = IDR5::from(0x0000'0074);
  id.aidr = AIDR::from(1);
  return id;
}

TEST(Features, QemusRegistersReadAsItsDocumentationSays) {
  const auto id = qemu();
  EXPECT_TRUE(has(id, Feature::s1p) && has(id, Feature::s2p));
  EXPECT_EQ(id.idr0.get(IDR0::TTF), Ttf::aarch64);
  EXPECT_EQ(id.idr0.get(IDR0::COHACC), 1u);
  EXPECT_EQ(asid_bits(id), 16u);
  EXPECT_EQ(vmid_bits(id), 16u);
  EXPECT_EQ(id.idr0.get(IDR0::TTENDIAN), TtEndian::little);
  EXPECT_EQ(id.idr0.get(IDR0::STALL_MODEL), StallModel::terminate);
  EXPECT_FALSE(has(id, Feature::stall));
  EXPECT_EQ(id.idr0.get(IDR0::TERM_MODEL), 1u);
  EXPECT_EQ(id.idr0.get(IDR0::ST_LEVEL), StLevel::two_level);
  EXPECT_EQ(id.idr0.get(IDR0::CD2L), 0u);
  EXPECT_EQ(stream_id_bits(id), 16u);
  EXPECT_EQ(substream_id_bits(id), 0u);
  EXPECT_EQ(id.idr1.get(IDR1::CMDQS), 19u);
  EXPECT_EQ(id.idr1.get(IDR1::EVENTQS), 19u);
  EXPECT_EQ(id.idr1.get(IDR1::PRIQS), 0u);
  EXPECT_EQ(id.idr3.get(IDR3::HAD), 1u);
  EXPECT_EQ(id.idr3.get(IDR3::XNX), 1u);
  EXPECT_TRUE(has(id, Feature::range_tlbi));
  EXPECT_EQ(id.idr3.get(IDR3::BBML), Bbml::level2);
  EXPECT_EQ(oas_bits(id), 44u);
  EXPECT_TRUE(has_granule(id, Granule::k4) && has_granule(id, Granule::k16) && has_granule(id, Granule::k64));
  EXPECT_EQ(id.idr5.get(IDR5::VAX), Vax::bits48);
  for (auto f :
       {Feature::hyp, Feature::ats, Feature::pri, Feature::msi, Feature::pri_msi, Feature::atos, Feature::vatos,
        Feature::vmw, Feature::btm, Feature::ats_recerr, Feature::attr_types, Feature::attr_perms, Feature::ecmdq,
        Feature::mpam, Feature::s2pi, Feature::dpt, Feature::secure, Feature::never}) {
    EXPECT_FALSE(has(id, f)) << static_cast<int>(f);
  }
  EXPECT_EQ(minor_version(id), v3_1);
}

TEST(Features, EachFeatureIsItsOwnBit) {
  const auto alone = [](auto change, Feature f) {
    IdRegisters id;
    id.idr0.set(IDR0::STALL_MODEL, StallModel::terminate);
    EXPECT_FALSE(has(id, f)) << static_cast<int>(f);
    change(id);
    EXPECT_TRUE(has(id, f)) << static_cast<int>(f);
  };
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 0; }, Feature::s2p);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 1; }, Feature::s1p);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 5; }, Feature::btm);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 9; }, Feature::hyp);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 10; }, Feature::ats);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 13; }, Feature::msi);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 15; }, Feature::atos);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 16; }, Feature::pri);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 13 | 1u << 16; }, Feature::pri_msi);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 17; }, Feature::vmw);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 20; }, Feature::vatos);
  alone([](IdRegisters& id) { id.idr0.w[0] |= 1u << 23; }, Feature::ats_recerr);
  alone([](IdRegisters& id) { id.idr0.w[0] = 0; }, Feature::stall);
  alone([](IdRegisters& id) { id.idr1.w[0] |= 1u << 26; }, Feature::attr_perms);
  alone([](IdRegisters& id) { id.idr1.w[0] |= 1u << 27; }, Feature::attr_types);
  alone([](IdRegisters& id) { id.idr1.w[0] |= 1u << 31; }, Feature::ecmdq);
  alone([](IdRegisters& id) { id.idr3.w[0] |= 1u << 7; }, Feature::mpam);
  alone([](IdRegisters& id) { id.idr3.w[0] |= 1u << 10; }, Feature::range_tlbi);
  alone([](IdRegisters& id) { id.idr3.w[0] |= 1u << 15; }, Feature::dpt);
  alone([](IdRegisters& id) { id.idr3.w[0] |= 1u << 19; }, Feature::s2pi);
}

TEST(Features, AnAddressSizeBeyondTheVersionCountsAsItsLargest) {
  EXPECT_EQ(address_bits(AddressSize::bits32, v3_0), 32u);
  EXPECT_EQ(address_bits(AddressSize::bits36, v3_0), 36u);
  EXPECT_EQ(address_bits(AddressSize::bits40, v3_0), 40u);
  EXPECT_EQ(address_bits(AddressSize::bits42, v3_0), 42u);
  EXPECT_EQ(address_bits(AddressSize::bits44, v3_0), 44u);
  EXPECT_EQ(address_bits(AddressSize::bits48, v3_0), 48u);
  EXPECT_EQ(address_bits(AddressSize::bits52, v3_0), 48u);
  EXPECT_EQ(address_bits(AddressSize::bits56, v3_0), 48u);
  EXPECT_EQ(address_bits(AddressSize::bits52, v3_1), 52u);
  EXPECT_EQ(address_bits(AddressSize::bits56, v3_3), 52u);
  EXPECT_EQ(address_bits(AddressSize::bits56, v3_4), 56u);
}
TEST(Features, TheSmallestCodeHoldsTheBits) {
  EXPECT_EQ(address_size(32), AddressSize::bits32);
  EXPECT_EQ(address_size(33), AddressSize::bits36);
  EXPECT_EQ(address_size(44), AddressSize::bits44);
  EXPECT_EQ(address_size(48), AddressSize::bits48);
  EXPECT_EQ(address_size(49), AddressSize::bits52);
  EXPECT_EQ(address_size(56), AddressSize::bits56);
}
TEST(Features, AnOutputSizeIsCappedByTheOas) {
  EXPECT_EQ(effective_output_bits(qemu(), AddressSize::bits48), 44u);
  EXPECT_EQ(effective_output_bits(qemu(), AddressSize::bits40), 40u);
}
// 3.4: IAS = max(TTF[0] ? 40 : 0, TTF[1] ? OAS : 0)
TEST(Features, TheIntermediateSizeIsThatOfTheTableFormats) {
  auto id = qemu();
  EXPECT_EQ(ias_bits(id), 44u);
  id.idr0.set(IDR0::TTF, Ttf::aarch32);
  EXPECT_EQ(ias_bits(id), 40u);
  id.idr0.set(IDR0::TTF, Ttf::both);
  id.idr5.set(IDR5::OAS, AddressSize::bits36);
  EXPECT_EQ(ias_bits(id), 40u);
  EXPECT_TRUE(has_aarch64_tables(id) && has_aarch32_tables(id));
}

} // namespace
} // namespace sluice::arch

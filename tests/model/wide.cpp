#include "rig.hpp"

// 3.4, DDI 0487 D8.2: 52 bits of address with the 64 KB granule, and the Contiguous bit.
namespace sluice::model::test {
namespace {

constexpr std::uint64_t k64 = 1ULL << 16;
constexpr std::uint64_t far = 0xa'bcde'f012'0000; // needs 52 bits

struct Wide : testing::Test {
  static Features features() {
    auto f = Rig::with_substreams();
    f.oas_bits = 52;
    f.va52 = true;
    return f;
  }
  Wide() : rig{features()}, cd_at{rig.ram.alloc(64, 64)} {}
  Tree tree(unsigned bits) {
    Tree t = rig.tree(arch::Granule::k64, bits);
    t.bits = arch::AddressBits::a52;
    return t;
  }
  void use(const Tree& t, arch::AddressSize ips = arch::AddressSize::bits52) {
    rig.put(cd_at, rig.cd(t).set(Cd::IPS, ips));
    rig.put_ste(1, rig.stage1_ste(cd_at));
    rig.run({arch::cmd::cfgi_ste(1, true), arch::cmd::tlbi_nsnh_all()});
  }
  Rig rig;
  std::uint64_t cd_at;
};

TEST_F(Wide, ALeafHoldsAnAddressOf52Bits) {
  const auto t = tree(42);
  use(t);
  rig.map(t, k64, far, s1_rw);
  EXPECT_EQ(rig.pa(1, k64 + 0x1234), far + 0x1234);
  EXPECT_EQ(rig.pa(1, k64 + 0x1234), far + 0x1234);
  EXPECT_EQ(rig.pa(1, k64 + 0xf000), far + 0xf000);
}

TEST_F(Wide, AnInputOf52BitsTranslates) {
  const auto t = tree(52);
  use(t);
  const std::uint64_t va = (1ULL << 52) - k64;
  rig.map(t, va, far, s1_rw);
  EXPECT_EQ(rig.pa(1, va + 0x10), far + 0x10);
  EXPECT_EQ(rig.read(1, 1ULL << 52).event, EventType::F_TRANSLATION);
}

TEST_F(Wide, ABlockOf4TBIsALeafOfLevel1) {
  const auto t = tree(52);
  use(t);
  rig.map(t, 3ULL << 42, 5ULL << 42, s1_rw, 1);
  EXPECT_EQ(rig.pa(1, (3ULL << 42) + 0x123'4567), (5ULL << 42) + 0x123'4567);
}

TEST_F(Wide, IPSOf48BitsRefusesIt) {
  const auto t = tree(42);
  use(t, arch::AddressSize::bits48);
  rig.map(t, k64, far, s1_rw);
  EXPECT_EQ(rig.read(1, k64).event, EventType::F_ADDR_SIZE);
}

TEST_F(Wide, ATablePointerHas52Bits) {
  const auto t = tree(42);
  use(t);
  rig.ram.put(rig.slot(t, 0, 2), arch::put_table_address(t.granule, t.bits, far) | 3);
  EXPECT_EQ(rig.read(1, k64).event, EventType::F_WALK_EABT);
  EXPECT_EQ(rig.event().get(Event::FetchAddr), far + 8);
}

TEST_F(Wide, Stage2TranslatesAnIPAOf52Bits) {
  Tree t = rig.stage2_tree(arch::Granule::k64, 52, 1);
  t.bits = arch::AddressBits::a52;
  rig.put_ste(1, rig.stage2_ste(t).set(Ste::S2PS, arch::AddressSize::bits52));
  rig.map(t, far, 7ULL << 48, s2_rw);
  EXPECT_EQ(rig.pa(1, far + 0x77), (7ULL << 48) + 0x77);
}

TEST_F(Wide, With4KThereAre48Bits) {
  const auto t = rig.tree();
  rig.put(cd_at, rig.cd(t).set(Cd::IPS, arch::AddressSize::bits52));
  rig.put_ste(1, rig.stage1_ste(cd_at));
  rig.map(t, 0x1000, 0xffff'ffff'f000, s1_rw | 3ULL << 48); // bits that are no address without DS
  EXPECT_EQ(rig.pa(1, 0x1000), 0xffff'ffff'f000U);
}

TEST_F(Wide, WithOASBelow52BitsTheBitsOfADescriptorAreNotRead) {
  Rig other;
  const auto t = other.tree(arch::Granule::k64, 42);
  const auto cd = other.ram.alloc(64, 64);
  other.put(cd, other.cd(t));
  other.put_ste(1, other.stage1_ste(cd));
  other.map(t, k64, 0x5555'0000, s1_rw | 0xf000);
  EXPECT_EQ(other.pa(1, k64), 0x5555'0000U);
}

// D8.7.1: a hint, which is not taken: each entry of a group is by itself.
TEST(Contiguous, EachEntryOfAGroupIsTranslatedAndInvalidatedByItself) {
  Rig rig;
  const auto s = rig.stage1_stream(1);
  constexpr std::uint64_t contiguous = 1ULL << 52;
  for (unsigned i = 0; i < 16; ++i) {
    rig.map(s.tree, 0x1'0000 + i * 0x1000, 0x4'0000 + i * 0x1000, s1_rw | contiguous);
  }
  for (unsigned i = 0; i < 16; ++i) {
    EXPECT_EQ(rig.pa(1, 0x1'0123 + i * 0x1000), 0x4'0123U + i * 0x1000);
  }
  for (unsigned i = 0; i < 16; ++i) {
    rig.map(s.tree, 0x1'0000 + i * 0x1000, 0x8'0000 + i * 0x1000, s1_rw | contiguous);
  }
  rig.run({arch::cmd::tlbi_nh_va(0, 1, 0x1'3000, true)});
  EXPECT_EQ(rig.pa(1, 0x1'3000), 0x8'3000U);
  EXPECT_EQ(rig.pa(1, 0x1'4000), 0x4'4000U);
}

} // namespace
} // namespace sluice::model::test

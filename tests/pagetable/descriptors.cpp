#include "rig.hpp"

// Descriptors worked out by hand from DDI 0487 D8.3.1, and what CD and STE say of a table.
namespace sluice::pagetable::test {
namespace {

std::uint64_t descriptor(const Config& config, std::uint64_t iova, std::uint64_t pa, std::uint64_t size, Prot prot) {
  Rig rig;
  auto table = rig.table(config);
  EXPECT_TRUE(complete(table->map(iova, pa, size, prot), size));
  const auto found = Walker{rig.arena, *table}.walk(iova);
  EXPECT_TRUE(found.has_value());
  EXPECT_EQ(found ? found->pa : 0, pa);
  return found ? found->descriptor : 0;
}
std::uint64_t page(const Config& config, Prot prot) { return descriptor(config, 0x1000, 0x1234'5000, 4 * kib, prot); }

TEST(Stage1Leaf, APageThatDevicesReadAndWrite) { EXPECT_EQ(page({}, rw), 0x0060'0000'1234'5f43); }
TEST(Stage1Leaf, ReadOnlySetsAP2) { EXPECT_EQ(page({}, Prot::read), 0x0060'0000'1234'5fc3); }
TEST(Stage1Leaf, WriteImpliesRead) { EXPECT_EQ(page({}, Prot::write), page({}, rw)); }
TEST(Stage1Leaf, ExecutableHasNoXN) { EXPECT_EQ(page({}, rw | Prot::execute), 0x0000'0000'1234'5f43); }
TEST(Stage1Leaf, PrivilegedClearsAP1) { EXPECT_EQ(page({}, rw | Prot::privileged), 0x0060'0000'1234'5f03); }
TEST(Stage1Leaf, PrivilegedExecutableIsUXNOnly) {
  EXPECT_EQ(page({}, rw | Prot::privileged | Prot::execute), 0x0040'0000'1234'5f03);
}
TEST(Stage1Leaf, MmioIsAttr1AndOuterShareable) { EXPECT_EQ(page({}, rw | Prot::mmio), 0x0060'0000'1234'5e47); }
TEST(Stage1Leaf, NoncoherentIsAttr2AndOuterShareable) {
  EXPECT_EQ(page({}, rw | Prot::noncoherent), 0x0060'0000'1234'5e4b);
}
TEST(Stage1Leaf, MmioWinsOverNoncoherent) {
  EXPECT_EQ(page({}, rw | Prot::mmio | Prot::noncoherent), page({}, rw | Prot::mmio));
}
TEST(Stage1Leaf, WritableCleanIsDBMWithAP2) {
  EXPECT_EQ(page({.dirty = true}, rw), 0x0068'0000'1234'5fc3);
  EXPECT_EQ(page({.dirty = true}, Prot::read), 0x0060'0000'1234'5fc3);
}
TEST(Stage1Leaf, ABlockHasType01) {
  EXPECT_EQ(descriptor({}, 2 * mib, 0x4020'0000, 2 * mib, rw), 0x0060'0000'4020'0f41);
  EXPECT_EQ(descriptor({}, 2 * gib, 0x1'4000'0000, gib, rw), 0x0060'0001'4000'0f41);
  EXPECT_EQ(descriptor({.granule = Granule::k16}, 32 * mib, 0x4200'0000, 32 * mib, rw), 0x0060'0000'4200'0f41);
  EXPECT_EQ(descriptor({.granule = Granule::k64}, 512 * mib, 0x6000'0000, 512 * mib, rw), 0x0060'0000'6000'0f41);
}
TEST(Stage1Leaf, A64KPageHasOA51To48InBits15To12) {
  const Config config{.granule = Granule::k64, .input_bits = 52, .output_bits = 52};
  EXPECT_EQ(descriptor(config, 0xf'0000'0001'0000, 0xa'0000'1234'0000, 64 * kib, rw), 0x0060'0000'1234'af43);
  EXPECT_EQ(descriptor(config, 1ULL << 51, 1ULL << 50, 1ULL << 42, rw), 0x0060'0000'0000'4f41) << "a 4T block";
}

constexpr Config stage2{.stage = Stage::two};
constexpr Config stage2_fwb{.stage = Stage::two, .fwb = true};

TEST(Stage2Leaf, APageThatDevicesReadAndWrite) { EXPECT_EQ(page(stage2, rw), 0x0040'0000'1234'57ff); }
TEST(Stage2Leaf, S2APIsExact) {
  EXPECT_EQ(page(stage2, Prot::read), 0x0040'0000'1234'577f);
  EXPECT_EQ(page(stage2, Prot::write), 0x0040'0000'1234'57bf);
}
TEST(Stage2Leaf, ExecutableHasNoXN) { EXPECT_EQ(page(stage2, rw | Prot::execute), 0x0000'0000'1234'57ff); }
TEST(Stage2Leaf, MemAttrWithoutFWB) {
  EXPECT_EQ(page(stage2, rw | Prot::mmio), 0x0040'0000'1234'56c7);
  EXPECT_EQ(page(stage2, rw | Prot::noncoherent), 0x0040'0000'1234'56d7);
}
TEST(Stage2Leaf, MemAttrWithFWB) {
  EXPECT_EQ(page(stage2_fwb, rw), 0x0040'0000'1234'57db);
  EXPECT_EQ(page(stage2_fwb, rw | Prot::mmio), 0x0040'0000'1234'56c7);
  EXPECT_EQ(page(stage2_fwb, rw | Prot::noncoherent), 0x0040'0000'1234'56d7);
}
TEST(Stage2Leaf, WritableCleanIsDBMWithoutS2AP1) {
  EXPECT_EQ(page({.stage = Stage::two, .dirty = true}, rw), 0x0048'0000'1234'577f);
}

TEST(TableDescriptor, IsAnAddressAndType11) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(0, 0, 4 * kib, rw).ok());
  const auto* root = static_cast<const base::DmaWord*>(*rig.arena.at(table->fields().TTB, 8));
  EXPECT_EQ(root->load() & 0xfff, 3U);
  EXPECT_EQ(root->load() >> 48, 0U);
  EXPECT_TRUE(rig.arena.at(root->load() & ~0xfffULL, 4 * kib).has_value());
}

TEST(Walk, ReturnsWhatWasMapped) {
  for (const auto& config : {Config{}, Config{.dirty = true}, stage2, stage2_fwb}) {
    for (unsigned bits = 0; bits < prot_count; ++bits) {
      auto prot = static_cast<Prot>(bits);
      if (!has(prot, rw) || (has(prot, Prot::mmio) && has(prot, Prot::noncoherent))) {
        continue;
      }
      Rig rig;
      auto table = rig.table(config);
      ASSERT_TRUE(table->map(0x7000, 0x9000, 4 * kib, prot).ok());
      if (config.stage == Stage::one && has(prot, Prot::write)) {
        prot = prot | Prot::read;
      }
      if (config.stage == Stage::two) {
        prot = static_cast<Prot>(bits & ~static_cast<unsigned>(Prot::privileged));
      }
      const auto found = table->walk(0x7123);
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found->prot, prot) << config << ", prot " << bits;
      EXPECT_EQ(found->pa, 0x9123U);
      EXPECT_EQ(found->leaf_size, 4 * kib);
      EXPECT_EQ(found->level, 3);
      EXPECT_FALSE(found->dirty);
    }
  }
}

TEST(Fields, SayWhatACDNeeds) {
  Rig rig;
  const auto table = rig.table({.input_bits = 39, .output_bits = 44});
  const Fields& f = table->fields();
  EXPECT_EQ(f.T0SZ, 25U);
  EXPECT_EQ(f.TG0, arch::Tg0::k4);
  EXPECT_EQ(f.PS, arch::AddressSize::bits44);
  EXPECT_EQ(f.IR, arch::Cacheability::write_back);
  EXPECT_EQ(f.OR, arch::Cacheability::write_back);
  EXPECT_EQ(f.SH, arch::Shareability::inner);
  EXPECT_EQ(f.MAIR0, 0x0044'04ffU);
  EXPECT_FALSE(f.HA || f.HD || f.S2FWB);
  EXPECT_TRUE(rig.arena.at(f.TTB, 4 * kib).has_value());
}
TEST(Fields, SayWhatAnSTENeeds) {
  Rig rig;
  const auto table = rig.table(
      {.stage = Stage::two, .granule = Granule::k16, .input_bits = 48, .output_bits = 48, .dirty = true, .fwb = true});
  const Fields& f = table->fields();
  EXPECT_EQ(f.T0SZ, 16U);
  EXPECT_EQ(f.S2SL0, 2U);
  EXPECT_EQ(f.S2TG, arch::S2Tg::k16);
  EXPECT_EQ(f.PS, arch::AddressSize::bits48);
  EXPECT_TRUE(f.HA && f.HD && f.S2FWB);
}
TEST(Fields, NonCoherentWalksAreNonCacheable) {
  Rig rig{{.coherent = false}};
  const auto table = rig.table({});
  EXPECT_EQ(table->fields().IR, arch::Cacheability::non_cacheable);
  EXPECT_EQ(table->fields().OR, arch::Cacheability::non_cacheable);
  EXPECT_EQ(table->fields().SH, arch::Shareability::outer);
}
TEST(Fields, FiftyTwoBitsAreFortyEightButIn64KPages) {
  Rig rig;
  EXPECT_EQ(rig.table({.output_bits = 52})->fields().PS, arch::AddressSize::bits48);
  EXPECT_EQ(rig.table({.granule = Granule::k64, .output_bits = 52})->fields().PS, arch::AddressSize::bits52);
}

} // namespace
} // namespace sluice::pagetable::test

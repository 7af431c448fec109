#include "rig.hpp"

namespace sluice::model::test {
namespace {

struct Stage1Walk : testing::Test {
  Stage1Walk() : s{rig.stage1_stream(3)}, page{rig.ram.alloc(4096)} {}
  void change_cd(auto change) {
    Cd c = rig.cd(s.tree);
    change(c);
    rig.put(s.cd_at, c);
    rig.run({arch::cmd::cfgi_cd(3, 0, true), arch::cmd::tlbi_nsnh_all()});
  }
  Outcome faults(EventType type, std::uint64_t address) {
    const auto o = rig.read(3, address);
    EXPECT_EQ(o.kind, Outcome::Kind::aborted);
    EXPECT_EQ(o.event, type);
    return o;
  }

  Rig rig;
  Rig::Stage1Stream s;
  std::uint64_t page;
};

TEST_F(Stage1Walk, AMappedPageIsReadWhereItsDescriptorSays) {
  rig.map(s.tree, 0x4000'1000, page, s1_rw);
  rig.ram.put(page + 0x18, 0xcafe);
  std::uint64_t value = 0;
  EXPECT_TRUE(rig.read(3, 0x4000'1018, &value).served());
  EXPECT_EQ(value, 0xcafeU);
}

TEST_F(Stage1Walk, AnUnmappedPageIsF_TRANSLATIONWithTheWholeInputAddress) {
  const auto o = rig.write(3, 0x56'789a'bcd8);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  EXPECT_TRUE(o.recorded);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_TRANSLATION);
  EXPECT_EQ(e.get(Event::StreamID), 3U);
  EXPECT_EQ(e.get(Event::InputAddr), 0x56'789a'bcd8U);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
  EXPECT_EQ(e.get(Event::RnW), 0U);
  EXPECT_EQ(e.get(Event::S2), 0U);
  EXPECT_EQ(e.get(Event::SSV), 0U);
  EXPECT_EQ(e.get(Event::Stall), 0U);
}

TEST_F(Stage1Walk, AnInvalidDescriptorIsF_TRANSLATIONAtEachLevel) {
  for (int level = 1; level <= 3; ++level) {
    const std::uint64_t va = 0x1'0000'0000ULL * static_cast<unsigned>(level);
    rig.ram.put(rig.slot(s.tree, va, level), 2); // bit 0 clear
    faults(EventType::F_TRANSLATION, va);
  }
}

TEST_F(Stage1Walk, ABlockWhereNoneMayBeIsF_TRANSLATION) {
  rig.map(s.tree, 0x1000, page, s1_rw);
  rig.ram.put(rig.slot(s.tree, 0x1000, 3), page | s1_rw | 1); // a block at level 3
  faults(EventType::F_TRANSLATION, 0x1000);
}

TEST_F(Stage1Walk, AnAddressAboveTheRangeIsF_TRANSLATIONWithoutAWalk) {
  const auto walks = rig.port->counters().walks;
  faults(EventType::F_TRANSLATION, 1ULL << 39);
  faults(EventType::F_TRANSLATION, 1ULL << 54);
  faults(EventType::F_TRANSLATION, 1ULL << 60);
  EXPECT_EQ(rig.port->counters().walks, walks);
}

TEST_F(Stage1Walk, ADisabledHalfIsF_TRANSLATION) { faults(EventType::F_TRANSLATION, ~0xfffULL); }

TEST_F(Stage1Walk, TTB1TranslatesHighAddresses) {
  const auto high = rig.tree(arch::Granule::k16, 47);
  change_cd([&](Cd& c) { c.set(Cd::EPD1, 0).set(Cd::TTB1, high.root).set(Cd::T1SZ, 17).set(Cd::TG1, arch::Tg1::k16); });
  const auto p16 = rig.ram.alloc(0x4000, 0x4000);
  rig.map(high, 0xffff'8000'0000'4000, p16, s1_rw);
  EXPECT_EQ(rig.pa(3, 0xffff'8000'0000'4567), p16 + 0x567);
  EXPECT_FALSE(rig.pa(3, 0xffff'0000'0000'4567)); // below its range
  EXPECT_FALSE(rig.pa(3, 0x00ff'8000'0000'4567)); // no TBI
}

TEST_F(Stage1Walk, TBIIgnoresTheTopByteOfItsHalf) {
  rig.map(s.tree, 0x1000, page, s1_rw);
  EXPECT_FALSE(rig.pa(3, 0xab00'0000'0000'1000));
  change_cd([](Cd& c) { c.set(Cd::TBI0, 1); });
  EXPECT_EQ(rig.pa(3, 0xab00'0000'0000'1008), page + 8);
  EXPECT_EQ(rig.pa(3, 0x1008), page + 8);
  EXPECT_FALSE(rig.pa(3, 0xab80'0000'0000'1000)); // bit 55 selects the other half
  rig.read(3, 0xab00'0000'0002'0000);
  EXPECT_EQ(rig.events().back().get(Event::InputAddr), 0xab00'0000'0002'0000U);
}

TEST_F(Stage1Walk, TheTopByteCountsAgainOnceACachedPageIsHit) {
  rig.map(s.tree, 0x1000, page, s1_rw);
  EXPECT_TRUE(rig.pa(3, 0x1000));
  EXPECT_FALSE(rig.pa(3, 0x0100'0000'0000'1000));
}

TEST_F(Stage1Walk, ATableBeyondIPSIsF_ADDR_SIZE) {
  change_cd([](Cd& c) { c.set(Cd::IPS, arch::AddressSize::bits32); });
  rig.ram.put(rig.slot(s.tree, 0x1000, 1), 1ULL << 32 | 3);
  faults(EventType::F_ADDR_SIZE, 0x1000);
  EXPECT_EQ(rig.event().get(Event::CLASS), arch::EventClass::in);
}

TEST_F(Stage1Walk, ALeafBeyondIPSIsF_ADDR_SIZE) {
  change_cd([](Cd& c) { c.set(Cd::IPS, arch::AddressSize::bits36); });
  rig.map(s.tree, 0x1000, 1ULL << 36, s1_rw);
  faults(EventType::F_ADDR_SIZE, 0x1000);
}

TEST_F(Stage1Walk, AF0IsF_ACCESSUnlessAFFD) {
  rig.map(s.tree, 0x1000, page, s1_rw & ~(1ULL << 10));
  faults(EventType::F_ACCESS, 0x1000);
  change_cd([](Cd& c) { c.set(Cd::AFFD, 1); });
  EXPECT_EQ(rig.pa(3, 0x1000), page);
}

TEST_F(Stage1Walk, AF0ComesBeforeThePermission) {
  rig.map(s.tree, 0x1000, page, s1_ro & ~(1ULL << 10));
  EXPECT_EQ(rig.write(3, 0x1000).event, EventType::F_ACCESS);
}

TEST_F(Stage1Walk, APageWithAF0IsNotCached) {
  const auto at = rig.map(s.tree, 0x1000, page, s1_rw & ~(1ULL << 10));
  faults(EventType::F_ACCESS, 0x1000);
  rig.ram.put(at, rig.ram.get(at) | 1ULL << 10);
  EXPECT_EQ(rig.pa(3, 0x1000), page);
}

TEST_F(Stage1Walk, AnAbortOfADescriptorFetchIsF_WALK_EABTOfClassTT) {
  const auto at = rig.map(s.tree, 0x1000, page, s1_rw);
  rig.ram.plant(at);
  faults(EventType::F_WALK_EABT, 0x1008);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_WALK_EABT);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::ttd);
  EXPECT_EQ(e.get(Event::S2), 0U);
  EXPECT_EQ(e.get(Event::FetchAddr), at);
  EXPECT_EQ(e.get(Event::InputAddr), 0x1008U);
  EXPECT_EQ(e.get(Event::RnW), 1U);
}

TEST_F(Stage1Walk, AnAbortOfTheAccessItselfHasNoEvent) {
  rig.map(s.tree, 0x1000, page, s1_rw);
  rig.ram.plant(page);
  const auto o = rig.read(3, 0x1000);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  EXPECT_TRUE(o.by_bus);
  EXPECT_EQ(o.event, std::nullopt);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(Stage1Walk, R0SuppressesTheEventAndA0MakesItRAZWI) {
  change_cd([](Cd& c) { c.set(Cd::R, 0); });
  auto o = rig.read(3, 0x1000);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  EXPECT_FALSE(o.recorded);
  EXPECT_TRUE(rig.events().empty());

  change_cd([](Cd& c) { c.set(Cd::A, 0); });
  std::uint64_t value = 1;
  o = rig.read(3, 0x1000, &value);
  EXPECT_EQ(o.kind, Outcome::Kind::zeroed);
  EXPECT_EQ(value, 0U);
  EXPECT_EQ(rig.event().get(Event::Type), EventType::F_TRANSLATION);

  change_cd([](Cd& c) { c.set(Cd::A, 0).set(Cd::R, 0); });
  EXPECT_EQ(rig.write(3, 0x1000).kind, Outcome::Kind::zeroed);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(Stage1Walk, F_WALK_EABTDoesNotObeyAAndR) {
  change_cd([](Cd& c) { c.set(Cd::A, 0).set(Cd::R, 0); });
  rig.ram.plant(rig.map(s.tree, 0x1000, page, s1_rw));
  EXPECT_EQ(rig.read(3, 0x1000).kind, Outcome::Kind::aborted);
  EXPECT_EQ(rig.event().get(Event::Type), EventType::F_WALK_EABT);
}

TEST_F(Stage1Walk, TheRecordCarriesSubstreamPrivilegeAndInstruction) {
  const auto table = rig.ram.alloc(1024, 1024);
  rig.put(table + 2 * 64, rig.cd(s.tree));
  rig.put_ste(4, rig.stage1_ste(table).set(Ste::S1CDMax, 4));
  std::uint64_t data = 0;
  rig.port->access({4, 2, 0x1000, 8, false, true, true}, &data);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::SSV), 1U);
  EXPECT_EQ(e.get(Event::SubstreamID), 2U);
  EXPECT_EQ(e.get(Event::PnU), 1U);
  EXPECT_EQ(e.get(Event::InD), 1U);
  EXPECT_EQ(e.get(Event::RnW), 1U);
}

// Every granule, input size and level of leaf.
struct Shape {
  arch::Granule granule;
  unsigned input_bits;
};
class Shapes : public testing::TestWithParam<Shape> {};

TEST_P(Shapes, LeavesOfAllLevelsTranslate) {
  const auto [g, bits] = GetParam();
  Features f;
  f.oas_bits = 48;
  Rig rig{f};
  const auto tree = rig.tree(g, bits);
  const auto cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(tree).set(Cd::IPS, arch::AddressSize::bits48));
  rig.put_ste(1, rig.stage1_ste(cd_at));
  const std::uint64_t last = (1ULL << bits) - arch::granule_size(g);
  rig.map(tree, last, 9 * arch::granule_size(g), s1_rw);
  EXPECT_EQ(rig.pa(1, last + 5), 9 * arch::granule_size(g) + 5);
  for (int level = 3; level >= tree.start; --level) {
    const unsigned shift = arch::level_shift(g, level);
    for (std::uint64_t va = 0; va + (1ULL << shift) <= 1ULL << bits && va < 8ULL << shift; va += 1ULL << shift) {
      if (!arch::leaf_allowed(g, level, arch::AddressBits::a48) || rig.ram.get(rig.slot(tree, va, level)) != 0) {
        continue; // a table is there already
      }
      const std::uint64_t oa = 5ULL << shift;
      rig.map(tree, va, oa, s1_rw, level);
      const std::uint64_t within = 0x123'4567'89abULL & ((1ULL << shift) - 1);
      EXPECT_EQ(rig.pa(1, va | within), oa | within) << "level " << level;
      break;
    }
  }
  if (bits < 48) {
    EXPECT_FALSE(rig.pa(1, 1ULL << bits));
  }
}

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const auto g : {arch::Granule::k4, arch::Granule::k16, arch::Granule::k64}) {
    const unsigned smallest = g == arch::Granule::k64 ? 17 : 16;
    for (unsigned bits = smallest; bits <= 48; ++bits) {
      all.push_back({g, bits});
    }
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Each, Shapes, testing::ValuesIn(shapes()), [](const auto& i) {
  return "K" + std::to_string((1U << arch::granule_bits(i.param.granule)) / 1024) + "Bits" +
         std::to_string(i.param.input_bits);
});

TEST(Stage1Wide, A52BitOutputOf64KIsTakenFromBits15To12) {
  Features f;
  f.oas_bits = 52;
  f.va52 = true;
  Rig rig{f};
  auto tree = rig.tree(arch::Granule::k64, 52);
  tree.bits = arch::AddressBits::a52;
  const auto cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(tree).set(Cd::IPS, arch::AddressSize::bits52));
  rig.put_ste(1, rig.stage1_ste(cd_at));
  const std::uint64_t oa = 0xa'1234'5678'0000;
  rig.map(tree, 0xf'0000'0001'0000, oa, s1_rw);
  EXPECT_EQ(rig.pa(1, 0xf'0000'0001'0010), oa + 0x10);
  rig.map(tree, 0xe'0000'0000'0000, 0xb'0000'0000'0000ULL & ~((1ULL << 42) - 1), s1_rw, 1); // 4 TB block
  EXPECT_EQ(rig.pa(1, 0xe'0000'0000'0044), 0xb'0000'0000'0044U);
}

} // namespace
} // namespace sluice::model::test

#include "rig.hpp"

namespace sluice::model::test {
namespace {

struct Stage2Walk : testing::Test {
  Stage2Walk() : tree{rig.stage2_tree()}, page{rig.ram.alloc(4096)} { rig.put_ste(1, rig.stage2_ste(tree)); }
  void change_ste(auto change) {
    Ste s = rig.stage2_ste(tree);
    change(s);
    rig.put_ste(1, s);
    rig.run({arch::cmd::cfgi_ste(1, true), arch::cmd::tlbi_nsnh_all()});
  }
  Event faults(EventType type, std::uint64_t ipa, bool write = false) {
    const auto o = write ? rig.write(1, ipa) : rig.read(1, ipa);
    EXPECT_EQ(o.kind, Outcome::Kind::aborted);
    EXPECT_EQ(o.event, type);
    const auto e = rig.event();
    EXPECT_EQ(e.get(Event::Type), type);
    EXPECT_EQ(e.get(Event::S2), 1U);
    EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
    EXPECT_EQ(e.get(Event::InputAddr), ipa);
    return e;
  }

  Rig rig;
  Tree tree;
  std::uint64_t page;
};

TEST_F(Stage2Walk, AnIPAGoesWhereItsDescriptorSays) {
  rig.map(tree, 0x12'3456'7000, page, s2_rw);
  EXPECT_EQ(rig.pa(1, 0x12'3456'7123), page + 0x123);
}

TEST_F(Stage2Walk, AnUnmappedIPAIsF_TRANSLATIONWithTheIPA) {
  EXPECT_EQ(faults(EventType::F_TRANSLATION, 0x5678).get(Event::IPA), 0x5000U);
}

TEST_F(Stage2Walk, ABlockWhereNoneMayBeIsF_TRANSLATION) {
  rig.map(tree, 0x1000, page, s2_rw);
  rig.ram.put(rig.slot(tree, 0x1000, 3), page | s2_rw | 1); // a block at level 3
  faults(EventType::F_TRANSLATION, 0x1000);
}

TEST_F(Stage2Walk, AnIPAAboveTheRangeIsF_TRANSLATION) { faults(EventType::F_TRANSLATION, 1ULL << 40); }

TEST_F(Stage2Walk, AnIPAAboveIASIsF_ADDR_SIZEOfStage1) {
  EXPECT_EQ(rig.read(1, 1ULL << 44).event, EventType::F_ADDR_SIZE);
  EXPECT_EQ(rig.event().get(Event::S2), 0U);
}

TEST_F(Stage2Walk, ALeafBeyondS2PSIsF_ADDR_SIZE) {
  change_ste([](Ste& s) { s.set(Ste::S2PS, arch::AddressSize::bits32); });
  rig.map(tree, 0x1000, 1ULL << 32, s2_rw);
  faults(EventType::F_ADDR_SIZE, 0x1000);
}

TEST_F(Stage2Walk, ATableBeyondS2PSIsF_ADDR_SIZE) {
  change_ste([](Ste& s) { s.set(Ste::S2PS, arch::AddressSize::bits32); });
  rig.ram.put(rig.slot(tree, 0x1000, 1), 1ULL << 33 | 3);
  faults(EventType::F_ADDR_SIZE, 0x1000);
}

TEST_F(Stage2Walk, AF0IsF_ACCESSUnlessS2AFFD) {
  rig.map(tree, 0x1000, page, s2_rw & ~(1ULL << 10));
  faults(EventType::F_ACCESS, 0x1000);
  change_ste([](Ste& s) { s.set(Ste::S2AFFD, 1); });
  EXPECT_EQ(rig.pa(1, 0x1000), page);
}

TEST_F(Stage2Walk, AReadOnlyPageIsF_PERMISSIONForAWrite) {
  rig.map(tree, 0x1000, page, s2_ro);
  EXPECT_EQ(faults(EventType::F_PERMISSION, 0x1238, true).get(Event::IPA), 0x1000U);
  EXPECT_EQ(rig.pa(1, 0x1000), page);
  faults(EventType::F_PERMISSION, 0x1238, true); // from the TLB
}

TEST_F(Stage2Walk, AnAbortOfADescriptorFetchIsF_WALK_EABTOfClassIN) {
  const auto at = rig.map(tree, 0x1000, page, s2_rw);
  rig.ram.plant(at);
  EXPECT_EQ(faults(EventType::F_WALK_EABT, 0x1000).get(Event::FetchAddr), at);
}

TEST_F(Stage2Walk, S2R0SuppressesTheEventButNotTheAbort) {
  change_ste([](Ste& s) { s.set(Ste::S2R, 0); });
  const auto o = rig.read(1, 0x1000);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  EXPECT_FALSE(o.recorded);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(Stage2Walk, ASubstreamIDIsC_BAD_SUBSTREAMID) {
  EXPECT_EQ(rig.read(1, 0x1000, nullptr, 1).event, EventType::C_BAD_SUBSTREAMID);
}

TEST_F(Stage2Walk, StreamsOfOneVMIDShareTranslations) {
  rig.map(tree, 0x1000, page, s2_rw);
  rig.put_ste(2, rig.stage2_ste(tree));
  EXPECT_TRUE(rig.pa(1, 0x1000));
  const auto walks = rig.port->counters().walks;
  EXPECT_EQ(rig.pa(2, 0x1000), page);
  EXPECT_EQ(rig.port->counters().walks, walks);
}

// Every start level, size and number of concatenated tables.
struct Shape {
  arch::Granule granule;
  unsigned t0sz;
  int start;
};
class Stage2Shapes : public testing::TestWithParam<Shape> {};

TEST_P(Stage2Shapes, PagesAtBothEndsAndBlocksTranslate) {
  const auto [g, t0sz, start] = GetParam();
  const unsigned bits = 64 - t0sz;
  Features f;
  f.oas_bits = 48;
  Rig rig{f};
  const auto tree = rig.stage2_tree(g, bits, start);
  rig.put_ste(1, rig.stage2_ste(tree).set(Ste::S2PS, arch::AddressSize::bits48));
  const std::uint64_t size = arch::granule_size(g);
  const std::uint64_t last = (1ULL << bits) - size;
  rig.map(tree, 0, 0x7777'0000, s2_rw);
  rig.map(tree, last, 0x8888'0000, s2_rw);
  EXPECT_EQ(rig.pa(1, 0x10), 0x7777'0010U);
  EXPECT_EQ(rig.pa(1, last + 0x10), 0x8888'0010U);
  EXPECT_FALSE(rig.pa(1, 1ULL << bits));
  for (int level = start; level < 3; ++level) {
    const unsigned shift = arch::level_shift(g, level);
    if (arch::leaf_allowed(g, level, arch::AddressBits::a48) && shift + 1 < bits) {
      const std::uint64_t ipa = 1ULL << shift;
      if (rig.ram.get(rig.slot(tree, ipa, level)) == 0) {
        rig.map(tree, ipa, 6ULL << shift, s2_rw, level);
        EXPECT_EQ(rig.pa(1, ipa + 0x5678), (6ULL << shift) + 0x5678);
      }
    }
  }
}

std::vector<Shape> stage2_shapes() {
  std::vector<Shape> all;
  for (const auto g : {arch::Granule::k4, arch::Granule::k16, arch::Granule::k64}) {
    for (unsigned t0sz = 16; t0sz <= 48; ++t0sz) {
      for (int start = 0; start <= 3; ++start) {
        if (arch::s2_concatenation(g, start, t0sz, false, true) != 0) {
          all.push_back({g, t0sz, start});
        }
      }
    }
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Each, Stage2Shapes, testing::ValuesIn(stage2_shapes()), [](const auto& i) {
  return "K" + std::to_string((1U << arch::granule_bits(i.param.granule)) / 1024) + "T0SZ" +
         std::to_string(i.param.t0sz) + "Level" + std::to_string(i.param.start);
});

} // namespace
} // namespace sluice::model::test

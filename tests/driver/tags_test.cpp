#include "attach.hpp"

namespace sluice::test {
namespace {

using iommu::Stage;

TEST_F(Attach, TagsRunOut) {
  Machine narrow;
  narrow.fake.id(narrow.fake.get<arch::IDR0>().with(arch::IDR0::ASID16, 0).with(arch::IDR0::VMID16, 0));
  ASSERT_TRUE(narrow.start());
  for (const auto stage : {Stage::first, Stage::second}) {
    std::set<std::uint16_t> seen;
    iommu::Domain* last = nullptr;
    for (int i = 0; i < 255; ++i) { // 0 is never given
      auto& domain = narrow.paging(stage);
      EXPECT_NE(domain.tag().id, 0U);
      EXPECT_LT(domain.tag().id, 256U);
      seen.insert(domain.tag().id);
      last = &domain;
    }
    EXPECT_EQ(seen.size(), 255U);
    const auto live = narrow.port.memory.counts().live();
    EXPECT_EQ(narrow.try_paging({.stage = stage}), Errc::ids_exhausted);
    EXPECT_EQ(narrow.port.memory.counts().live(), live);
    ASSERT_TRUE(narrow.destroy(*last));
    EXPECT_TRUE(narrow.try_paging({.stage = stage}).ok());
  }
}

TEST_F(Attach, TwoSmmusHaveTheirOwnTags) {
  Machine other;
  ASSERT_TRUE(other.start());
  EXPECT_EQ(m.paging().tag().id, other.paging().tag().id);
}

struct Wish {
  const char* name;
  iommu::PagingOptions options;
  bool s1, s2;
  base::Result<bool> second;
};

TEST(PagingOptions, ChooseTheStage) {
  const Wish wishes[] = {
      {"any, both", {}, true, true, false},
      {"any, stage 2 only", {}, false, true, true},
      {"first, stage 2 only", {.stage = Stage::first}, false, true, Errc::unsupported},
      {"second, stage 1 only", {.stage = Stage::second}, true, false, Errc::unsupported},
      {"second, both", {.stage = Stage::second}, true, true, true},
      {"pasid, both", {.pasid = true}, true, true, false},
      {"pasid, stage 2 only", {.pasid = true}, false, true, Errc::unsupported},
      {"pasid on second", {.stage = Stage::second, .pasid = true}, true, true, Errc::unsupported},
      {"nest parent", {.nest_parent = true}, true, true, true},
      {"nest parent, stage 2 only", {.nest_parent = true}, false, true, Errc::unsupported},
      {"nest parent, stage 1 only", {.nest_parent = true}, true, false, Errc::unsupported},
      {"nest parent on first", {.stage = Stage::first, .nest_parent = true}, true, true, Errc::unsupported},
      {"nest parent, pasid", {.nest_parent = true, .pasid = true}, true, true, Errc::unsupported},
      {"nest parent, dirty", {.nest_parent = true, .dirty = true}, true, true, Errc::unsupported},
      {"16K pages", {.page_sizes = 1 << 14}, true, true, Errc::invalid_argument},
      {"64K pages", {.page_sizes = 1 << 16}, true, true, false},
      {"odd pages", {.page_sizes = 1 << 13}, true, true, Errc::invalid_argument},
  };
  for (const auto& w : wishes) {
    SCOPED_TRACE(w.name);
    Machine m;
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::S1P, w.s1).with(arch::IDR0::S2P, w.s2));
    ASSERT_TRUE(m.start());
    const auto made = m.try_paging(w.options);
    ASSERT_EQ(made.ok(), w.second.ok());
    if (made) {
      EXPECT_EQ(static_cast<driver::PagingDomain&>(**made).tag().stage == pagetable::Stage::two, *w.second);
    } else {
      EXPECT_EQ(made.error(), w.second.error());
    }
  }
}

} // namespace
} // namespace sluice::test

#include "attach.hpp"

namespace sluice::test {
namespace {

using arch::SteConfig;
using driver::Code;
using iommu::Gap;
using iommu::Stage;

struct LinearTable : Attach {
  void SetUp() override {
    auto wish = Machine::quick();
    wish.linear_stream_table = true;
    ASSERT_TRUE(m.start(wish));
  }
};

TEST_F(LinearTable, AChangeOfTwoWordsIsReportedAsDisruptive) {
  auto& device = m.add({0x42});
  ASSERT_TRUE(device.attach(m.paging()).ok());
  const auto change = device.replace(m.paging(Stage::second));
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->hitless);
  EXPECT_EQ(change->gap, Gap::no_indirection);
  EXPECT_EQ(m.smmu->counters().changes_disruptive, 1U);
  EXPECT_TRUE(m.logged(Code::change_disruptive));
  EXPECT_EQ(config(0x42), SteConfig::stage2);
}

TEST_F(LinearTable, AndRefusedBeforehandToWhoAskedForHitless) {
  auto& device = m.add({0x42});
  auto& a = m.paging();
  auto& b = m.paging(Stage::second);
  ASSERT_TRUE(device.attach(a).ok());
  const auto before = *m.ste(0x42);
  m.fake.forget();
  EXPECT_EQ(device.replace(b, {}, {.require_hitless = true}), Errc::not_hitless);
  EXPECT_TRUE(m.fake.seen().empty());
  EXPECT_EQ(*m.ste(0x42), before);
  EXPECT_EQ(device.attached(), &a);
  EXPECT_EQ(b.users(), 0U);
}

TEST_F(Attach, WithoutThePortsPromiseASwingIsNotHitless) {
  Machine m2{{.facts = {.entry_from_place = false}}};
  ASSERT_TRUE(m2.start());
  auto& device = m2.add({1});
  ASSERT_TRUE(device.attach(m2.paging()).ok());
  EXPECT_EQ(device.replace(m2.paging(Stage::second), {}, {.require_hitless = true}), Errc::not_hitless);
  const auto change = device.replace(m2.paging(Stage::second));
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->gap, Gap::split_fetch);
}

} // namespace
} // namespace sluice::test

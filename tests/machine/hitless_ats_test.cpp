#include "hitless_rig.hpp"

// 3.9.2: an endpoint that caches translations, with PCI ATS switched on and off and left on. What it reads by its cache
// and what it asks for after each store is the old configuration's or the new one's, and nothing of it is forbidden.
namespace sluice::machine::hitless {
namespace {

using HitlessAtsTest = HitlessTest;
constexpr Shape endpoints[] = {{.name = "Words", .ats = true}, {.name = "DoubleWords", .atomic128 = true, .ats = true}};
INSTANTIATE_TEST_SUITE_P(Each, HitlessAtsTest, testing::ValuesIn(endpoints),
                         [](const auto& shape) { return std::string{shape.param.name}; });

TEST_P(HitlessAtsTest, EachChangeOfTheRidSwitchesAtsOnOrOffOrLeavesIt) {
  Rig rig{GetParam(), 31};
  all_pairs(rig, {},
            {{"nothing", nullptr},
             {"blocked", &rig.driver().blocked()},
             {"identity", &rig.driver().identity()},
             {"stage 1 a", &rig.domain(iommu::Stage::first, 'a')},
             {"stage 1 b", &rig.domain(iommu::Stage::first, 'b')},
             {"stage 2 c", &rig.domain(iommu::Stage::second, 'c')}});
  EXPECT_GT(rig.moved, 40U);
  EXPECT_GT(rig.endpoint()->engine.ats()->atc().counters().hits, 100U) << "it has used what it had";
  EXPECT_EQ(rig.disruptive, 0U);
}

TEST_P(HitlessAtsTest, EachChangeOfAPasidThatIsTheFirstToNeedAtsAndTheLast) {
  Rig rig{GetParam(), 32};
  ASSERT_TRUE(rig.device().attach(rig.driver().identity()));
  all_pairs(rig, Target::pasid(1),
            {{"nothing", nullptr},
             {"p", &rig.domain(iommu::Stage::first, 'p')},
             {"q", &rig.domain(iommu::Stage::first, 'q')}});
  EXPECT_GT(rig.moved, 4U);
  EXPECT_EQ(rig.disruptive, 0U);
}

} // namespace
} // namespace sluice::machine::hitless

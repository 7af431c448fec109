#include "hitless_rig.hpp"

// Changes between domains of the host's own.
namespace sluice::machine::hitless {
namespace {

constexpr Shape shapes[] = {{"Words", false, false, false},
                            {"DoubleWords", true, false, false},
                            {"LinearCds", false, true, false},
                            {"LinearStreams", false, false, true}};
INSTANTIATE_TEST_SUITE_P(Each, HitlessTest, testing::ValuesIn(shapes),
                         [](const auto& shape) { return std::string{shape.param.name}; });

TEST_P(HitlessTest, EachChangeOfARidWithoutPasids) {
  for (const std::uint64_t seed : {1U, 2U}) {
    Rig rig{GetParam(), seed};
    all_pairs(rig, {},
              {{"nothing", nullptr},
               {"blocked", &rig.driver().blocked()},
               {"identity", &rig.driver().identity()},
               {"stage 1 a", &rig.domain(iommu::Stage::first, 'a')},
               {"stage 1 b", &rig.domain(iommu::Stage::first, 'b')},
               {"stage 2 c", &rig.domain(iommu::Stage::second, 'c')},
               {"stage 2 d", &rig.domain(iommu::Stage::second, 'd')}});
    EXPECT_GT(rig.stores, 60U);
    EXPECT_GT(rig.moved, 60U);
    EXPECT_EQ(rig.disruptive != 0, GetParam().linear_streams);
  }
}

TEST_P(HitlessTest, EachChangeOfARidBesidePasids) {
  Rig rig{GetParam(), 3};
  ASSERT_TRUE(rig.device().attach(rig.domain(iommu::Stage::first, 'p'), Target::pasid(1)));
  all_pairs(rig, {},
            {{"nothing", nullptr},
             {"blocked", &rig.driver().blocked()},
             {"identity", &rig.driver().identity()},
             {"stage 1 a", &rig.domain(iommu::Stage::first, 'a')},
             {"stage 1 b", &rig.domain(iommu::Stage::first, 'b')}});
  EXPECT_GT(rig.moved, 20U);
  EXPECT_EQ(rig.try_all()[1], "p");
}

TEST_P(HitlessTest, EachChangeOfAPasidThatComesFirstAndGoesLast) {
  Rig rig{GetParam(), 4};
  auto& a = rig.domain(iommu::Stage::first, 'a');
  auto& p = rig.domain(iommu::Stage::first, 'p');
  auto& q = rig.domain(iommu::Stage::first, 'q');
  for (iommu::Domain* rid :
       {static_cast<iommu::Domain*>(nullptr), &rig.driver().blocked(), &rig.driver().identity(), &a}) {
    if (rid != nullptr) {
      ASSERT_TRUE(rig.device().attach(*rid));
    }
    all_pairs(rig, Target::pasid(1), {{"nothing", nullptr}, {"p", &p}, {"q", &q}});
    if (rid != nullptr) {
      ASSERT_TRUE(rig.device().detach());
    }
  }
  EXPECT_GT(rig.moved, 20U);
}

TEST_P(HitlessTest, EachChangeOfAPasidBesideOthers) {
  Rig rig{GetParam(), 5};
  auto& p = rig.domain(iommu::Stage::first, 'p');
  auto& q = rig.domain(iommu::Stage::first, 'q');
  ASSERT_TRUE(rig.device().attach(rig.domain(iommu::Stage::first, 'a')));
  ASSERT_TRUE(rig.device().attach(p, Target::pasid(1)));
  all_pairs(rig, Target::pasid(2), {{"nothing", nullptr}, {"p", &p}, {"q", &q}});
  if (!GetParam().linear_cds) { // a leaf that comes and goes
    all_pairs(rig, Target::pasid(1030), {{"nothing", nullptr}, {"p", &p}, {"q", &q}});
  }
  EXPECT_EQ(rig.disruptive, 0U); // a linear table is exchanged as a leaf is
}

// With a linear stream table a change of the stage has to pass by V=0, and it is seen: the look is keen enough.
TEST(HitlessLook, SeesWhatIsDisruptive) {
  Rig rig{{"", false, false, true}, 6};
  auto& one = rig.domain(iommu::Stage::first, 'a');
  auto& two = rig.domain(iommu::Stage::second, 'c');
  ASSERT_TRUE(rig.device().attach(one));
  rig.check("stage 1 to stage 2", [&] { return rig.device().replace(two); });
  EXPECT_EQ(rig.disruptive, 1U);
  EXPECT_NE(rig.neither, 0U);
}

} // namespace
} // namespace sluice::machine::hitless

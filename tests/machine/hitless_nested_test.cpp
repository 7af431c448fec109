#include "guest.hpp"
#include "hitless_rig.hpp"

#include <sluice/uapi/arm_smmuv3.hpp>

// A guest's own STEs, merged with the stage 2 they stand on: traffic meets the guest's old words or its new ones, and
// never one guest's first stage on another's second.
namespace sluice::machine::hitless {
namespace {

namespace u = uapi::arm_smmuv3;

// A stage 2 with memory of its own, and first stages that lead to pages in it.
struct Parent {
  static constexpr std::uint64_t ipa = 0x60'0000'0000;
  static constexpr std::uint64_t bytes = 64 * 4096;

  // `by_itself`: what a request without stage 1 finds.
  Parent(Rig& r, char by_itself)
      : rig{r}, block{r.pages(bytes)}, memory{block.cpu, bytes, ipa}, domain{*r.driver().make_paging(
                                                                          {.stage = iommu::Stage::second,
                                                                           .nest_parent = true})} {
    EXPECT_TRUE(domain->map(ipa, block.bus, bytes, iommu::prot::read_write));
    EXPECT_TRUE(domain->map(rig.iova(), rig.page(by_itself).bus, 4096, iommu::prot::read));
    viommu = *rig.driver().viommu_alloc(u::viommu_type, *domain, {});
  }
  Parent(const Parent&) = delete;
  Parent& operator=(const Parent&) = delete;
  ~Parent() {
    for (auto* n : nested) {
      EXPECT_TRUE(n->destroy());
    }
    EXPECT_TRUE(viommu->destroy());
    EXPECT_TRUE(domain->destroy());
  }
  iommu::Domain& of(const u::NestedSte& words) {
    nested.push_back(*viommu->nested_alloc(u::hwpt_data_type, std::as_bytes(std::span{&words, 1})));
    return *nested.back();
  }
  iommu::Domain& stage1(char letter) {
    const std::uint64_t root = memory.alloc();
    const std::uint64_t at = Parent::ipa + Parent::bytes + next++ * 4096;
    EXPECT_TRUE(domain->map(at, rig.page(letter).bus, 4096, iommu::prot::read));
    memory.map(root, rig.iova(), at);
    return of(test::guest_stage1(memory.cd_table(root, static_cast<std::uint16_t>(next))));
  }
  iommu::Domain& config(arch::SteConfig config) { return of(test::guest_config(config)); }

  Rig& rig;
  platform::DmaBlock block;
  test::GuestMemory memory;
  iommu::Domain* domain;
  iommu::Viommu* viommu{};
  std::vector<iommu::Domain*> nested;
  std::uint64_t next{0};
};

using HitlessNestedTest = HitlessTest;
constexpr Shape guests[] = {{"Words", false, false, false}, {"DoubleWords", true, false, false}};
INSTANTIATE_TEST_SUITE_P(Each, HitlessNestedTest, testing::ValuesIn(guests),
                         [](const auto& shape) { return std::string{shape.param.name}; });

TEST_P(HitlessNestedTest, EachChangeOfAGuestsSteAndOfWhatItTakesThePlaceOf) {
  Rig rig{GetParam(), 11};
  {
    Parent parent{rig, 'p'};
    ASSERT_TRUE(parent.viommu->vdevice_add(rig.device(), 0x900));
    ASSERT_TRUE(rig.device().attach(rig.driver().blocked()));
    all_pairs(rig, {},
              {{"blocked", &rig.driver().blocked()},
               {"identity", &rig.driver().identity()},
               {"the parent alone", parent.domain},
               {"a guest's stage 1", &parent.stage1('m')},
               {"another of it", &parent.stage1('n')},
               {"a guest's bypass", &parent.config(arch::SteConfig::bypass)},
               {"a guest's abort", &parent.config(arch::SteConfig::abort)}});
    ASSERT_TRUE(rig.device().detach());
    ASSERT_TRUE(parent.viommu->vdevice_remove(rig.device()));
  }
  EXPECT_EQ(rig.disruptive, 0U);
  EXPECT_GT(rig.moved, 40U);
}

// 3.21.3: a CD that is cached of the one would be used under the other's STE, its addresses taken for what they are
// not.
TEST_P(HitlessNestedTest, BetweenAFirstStageOfOursAndAGuestsThereIsAGapAndNoCdIsMetUnderTheOthersSte) {
  Rig rig{GetParam(), 13};
  {
    Parent parent{rig, 'p'};
    ASSERT_TRUE(parent.viommu->vdevice_add(rig.device(), 0x900));
    auto& ours = rig.domain(iommu::Stage::first, 'a');
    auto& theirs = parent.stage1('m');
    ASSERT_TRUE(rig.device().attach(ours));
    const auto refused = rig.device().replace(theirs, {}, {.require_hitless = true});
    EXPECT_EQ(refused.error(), base::Errc::not_hitless);
    EXPECT_EQ(rig.try_all()[0], "a");
    const std::string illegal = "event " + std::to_string(static_cast<int>(arch::EventType::C_BAD_STE));
    for (int round = 0; round < 3; ++round) {
      for (auto* to : {&theirs, &ours}) {
        rig.check("and back", [&] { return rig.device().replace(*to); });
        for (const Result& result : rig.met[0]) {
          EXPECT_TRUE(result == "a" || result == "m" || result == illegal) << result;
        }
      }
    }
    EXPECT_EQ(rig.disruptive, 6U);
    ASSERT_TRUE(rig.device().detach());
    ASSERT_TRUE(parent.viommu->vdevice_remove(rig.device()));
  }
}

TEST_P(HitlessNestedTest, EachChangeOfTheParent) {
  Rig rig{GetParam(), 12};
  {
    Parent one{rig, 'p'};
    Parent two{rig, 'q'};
    // A first stage is for the guest that knows the device: from and to each kind of the other's.
    const auto other = [](Parent& p) {
      return std::vector<std::pair<std::string, iommu::Domain*>>{
          {"another parent alone", p.domain}, {"a bypass on another parent", &p.config(arch::SteConfig::bypass)}};
    };
    for (auto [mine, others] : {std::pair{&one, &two}, {&two, &one}}) {
      ASSERT_TRUE(mine->viommu->vdevice_add(rig.device(), 0x900));
      std::vector<std::pair<std::string, iommu::Domain*>> states{{"blocked", &rig.driver().blocked()},
                                                                 {"a guest's stage 1", &mine->stage1('m')},
                                                                 {"its bypass", &mine->config(arch::SteConfig::bypass)},
                                                                 {"its parent", mine->domain}};
      for (const auto& state : other(*others)) {
        states.push_back(state);
      }
      if (rig.device().attached() == nullptr) {
        ASSERT_TRUE(rig.device().attach(rig.driver().blocked()));
      }
      all_pairs(rig, {}, states);
      ASSERT_TRUE(mine->viommu->vdevice_remove(rig.device()));
    }
    ASSERT_TRUE(rig.device().detach());
  }
  EXPECT_EQ(rig.disruptive, 0U);
  EXPECT_GT(rig.moved, 40U);
}

} // namespace
} // namespace sluice::machine::hitless

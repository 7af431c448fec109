#include "hitless_rig.hpp"

#include <sluice/machine/address_space.hpp>

// A process's address space at a PASID: attached, exchanged, and ended under traffic. When it ends its CD becomes the
// quiet one by one store: traffic meets the process or a refusal that records nothing, and other PASIDs notice nothing.
namespace sluice::machine::hitless {
namespace {

// A process that has one page.
struct Process {
  Process(Rig& rig, char letter) {
    pagetable::Config table;
    table.output_bits = 44; // the model's
    space = std::move(*AddressSpace::make(rig.port().platform(), table));
    EXPECT_TRUE(space->map(rig.iova(), rig.page(letter).bus, 4096, pagetable::Prot::read).ok());
    domain = *rig.driver().make_sva(*space);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { EXPECT_TRUE(domain->destroy()); }

  base::Result<iommu::Change> end() {
    const auto ended = space->end();
    return ended ? base::Result<iommu::Change>{iommu::Change{}} : base::Result<iommu::Change>{ended.error()};
  }

  std::unique_ptr<AddressSpace> space;
  iommu::Domain* domain{};
};

using HitlessSvaTest = HitlessTest;
constexpr Shape processors[] = {{.name = "TwoLevels", .coherent = true},
                                {.name = "LinearCds", .linear_cds = true, .coherent = true}};
INSTANTIATE_TEST_SUITE_P(Each, HitlessSvaTest, testing::ValuesIn(processors),
                         [](const auto& shape) { return std::string{shape.param.name}; });

TEST_P(HitlessSvaTest, AnAddressSpaceComesAndGoesAndIsExchanged) {
  Rig rig{GetParam(), 21};
  {
    Process one{rig, 's'}, two{rig, 't'};
    ASSERT_TRUE(rig.device().attach(rig.domain(iommu::Stage::first, 'a')));
    ASSERT_TRUE(rig.device().attach(rig.domain(iommu::Stage::first, 'b'), Target::pasid(2)));
    all_pairs(rig, Target::pasid(1),
              {{"nothing", nullptr},
               {"one process", one.domain},
               {"another", two.domain},
               {"a domain", &rig.domain(iommu::Stage::first, 'p')}});
  }
  EXPECT_EQ(rig.disruptive, 0U);
  EXPECT_GT(rig.moved, 10U);
}

TEST_P(HitlessSvaTest, TheEndOfAProcessRecordsNothingAndOthersDoNotNotice) {
  Rig rig{GetParam(), 22};
  {
    Process process{rig, 's'};
    auto& beside = rig.domain(iommu::Stage::first, 'b');
    ASSERT_TRUE(rig.device().attach(beside));
    ASSERT_TRUE(rig.device().attach(*process.domain, Target::pasid(1)));
    ASSERT_TRUE(rig.device().attach(*process.domain, Target::pasid(2)));
    ASSERT_EQ(rig.try_all()[1], "s");
    rig.check("the process ends", [&] { return process.end(); });
    EXPECT_EQ(rig.moved, 2U);
    EXPECT_EQ(rig.try_all()[0], "b");
    EXPECT_NE(rig.try_all()[1], "s");
    rig.driver().poll();
    const auto events = rig.driver().counters().events;
    for (int i = 0; i < 20; ++i) {
      EXPECT_NE(rig.read(Target::pasid(1)), "s");
    }
    rig.driver().poll();
    EXPECT_EQ(rig.driver().counters().events, events) << "the refusals are quiet";
    // And from the quiet CD to what comes next.
    auto& next = rig.domain(iommu::Stage::first, 'n');
    move(rig, Target::pasid(1), process.domain, &next, "a domain after the process");
    move(rig, Target::pasid(2), process.domain, nullptr, "nothing after the process");
    EXPECT_EQ(rig.try_all()[1], "n");
  }
  EXPECT_EQ(rig.disruptive, 0U);
}

} // namespace
} // namespace sluice::machine::hitless

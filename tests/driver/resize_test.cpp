#include "machine.hpp"

// A part of a block is unmapped, where IDR3.BBML permits that without break-before-make. 3.21.1
namespace sluice::test {
namespace {

using arch::Bbml;
using arch::Command;
using arch::Opcode;
using iommu::Stage;

constexpr std::uint64_t page = 4096, block = 0x200000;

struct ResizeAt {
  void start(Bbml bbml, Stage stage = Stage::first, const driver::Config& config = Machine::quick()) {
    m.fake.id(m.fake.get<arch::IDR3>().with(arch::IDR3::BBML, bbml));
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::HTTU, arch::Httu::access_dirty));
    ASSERT_TRUE(m.start(config));
    device = &m.add({0x42});
    domain = static_cast<driver::PagingDomain*>(*m.try_paging({.stage = stage, .dirty = true}));
    ASSERT_TRUE(device->attach(*domain).ok());
    ASSERT_TRUE(domain->map(block, block, 2 * block, iommu::prot::read_write).ok());
    m.fake.forget();
  }
  std::uint64_t leaf_size(std::uint64_t iova) { return domain->table().walk(iova)->leaf_size; }

  Machine m;
  driver::SmmuDevice* device{};
  driver::PagingDomain* domain{};
};
struct Resize : testing::Test, ResizeAt {};

TEST(ResizeBelow, Level2APartOfABlockIsNotUnmapped) {
  for (const auto level : {Bbml::level0, Bbml::level1}) {
    ResizeAt below;
    below.start(level);
    EXPECT_EQ(below.domain->unmap(block, page).error(), Errc::would_split);
    EXPECT_TRUE(below.m.fake.seen().empty());
    EXPECT_EQ(below.leaf_size(block), block);
    EXPECT_EQ(below.domain->merge_pages(), Errc::unsupported);
    EXPECT_EQ(below.m.smmu->why_not(driver::Facility::resizing), driver::Why::id_register);
  }
}

TEST_F(Resize, OfAPageOfABlockIsOneCommandForAnyLevel) {
  start(Bbml::level2);
  EXPECT_EQ(m.smmu->why_not(driver::Facility::resizing), driver::Why::available);
  ASSERT_TRUE(domain->unmap(block + 3 * page, page).ok());
  ASSERT_EQ(m.fake.commands().size(), 2U) << "one for page and block, and a SYNC";
  EXPECT_EQ(m.fake.commands()[0], arch::cmd::tlbi_nh_va(0, domain->tag().id, block + 3 * page, true));
  EXPECT_EQ(*domain->iova_to_phys(block), block);
  EXPECT_EQ(domain->iova_to_phys(block + 3 * page), Errc::not_mapped);
  m.fake.forget();
  ASSERT_TRUE(domain->unmap(block + 8 * page, page).ok());
  EXPECT_EQ(m.fake.commands()[0].get(Command::TTL), 3U) << "the block has left the TLBs";
}

TEST_F(Resize, WhileASplitIsNotConfirmedNoUnmapNamesALevel) {
  start(Bbml::level2);
  ASSERT_NE(domain->unmap_deferred(block, page).mark, 0U);
  ASSERT_TRUE(domain->unmap(block + 8 * page, page).ok());
  EXPECT_EQ(m.fake.commands()[0].get(Command::TTL), 0U);
  ASSERT_TRUE(domain->flush_unmaps());
  m.fake.forget();
  ASSERT_TRUE(domain->unmap(block + 16 * page, page).ok());
  EXPECT_EQ(m.fake.commands()[0].get(Command::TTL), 3U);
}

TEST_F(Resize, WithoutMemoryIsRefusedAndChangesNothing) {
  start(Bbml::level2, Stage::second);
  m.port.memory.fail(1);
  EXPECT_EQ(domain->unmap(block, page).error(), Errc::no_memory);
  m.port.memory.fail(0);
  EXPECT_EQ(leaf_size(block), block);
  EXPECT_TRUE(m.fake.seen().empty());
}

TEST_F(Resize, MergedPagesAreInvalidatedWithTheirTableAndThenItIsFreed) {
  start(Bbml::level2);
  const auto tables = m.port.memory.counts().dma_blocks;
  ASSERT_TRUE(domain->unmap(block + page, page).ok());
  ASSERT_TRUE(domain->map(block + page, block + page, page, iommu::prot::read_write).ok());
  m.fake.forget();
  std::uint64_t during = 0;
  m.fake.on_command = [&](const Command&) { during = m.port.memory.counts().dma_blocks; };
  ASSERT_TRUE(domain->merge_pages());
  m.fake.on_command = {};
  EXPECT_EQ(during, tables + 1) << "not before the SYNC";
  ASSERT_EQ(m.fake.commands().size(), 2U);
  EXPECT_EQ(m.fake.commands()[0].get(Command::Leaf), 0U);
  EXPECT_EQ(m.fake.commands()[0].get(Command::TTL), 0U);
  m.port.sync.reclaim();
  EXPECT_EQ(m.port.memory.counts().dma_blocks, tables);
  EXPECT_EQ(leaf_size(block), block);
}

TEST_F(Resize, TheTableOfAMergeThatIsNotConfirmedIsKept) {
  start(Bbml::level2);
  ASSERT_TRUE(domain->unmap(block + page, page).ok());
  ASSERT_TRUE(domain->map(block + page, block + page, page, iommu::prot::read_write).ok());
  const auto tables = m.port.memory.counts().dma_blocks;
  m.fake.stopped = true;
  EXPECT_EQ(domain->merge_pages(), Errc::timed_out);
  m.port.sync.reclaim();
  EXPECT_EQ(m.port.memory.counts().dma_blocks, tables);
}

TEST_F(Resize, DirtyTrackingLeavesBlocksAloneUnlessItIsToldOtherwise) {
  start(Bbml::level2);
  ASSERT_TRUE(domain->set_dirty_tracking(true));
  EXPECT_EQ(leaf_size(block), block);
}

driver::Config by_page() {
  auto config = Machine::quick();
  config.dirty_by_page = true;
  return config;
}

TEST_F(Resize, DirtyTrackingByPageSplitsAndEndsWithBlocksAgain) {
  start(Bbml::level2, Stage::first, by_page());
  ASSERT_TRUE(domain->set_dirty_tracking(true));
  EXPECT_EQ(leaf_size(block), page);
  ASSERT_TRUE(domain->map(4 * block, 4 * block, block, iommu::prot::read_write).ok());
  EXPECT_EQ(leaf_size(4 * block), page) << "what is mapped meanwhile";
  ASSERT_TRUE(domain->set_dirty_tracking(false));
  for (const auto at : {block, 2 * block, 4 * block}) {
    EXPECT_EQ(leaf_size(at), block);
  }
  ASSERT_TRUE(domain->map(8 * block, 8 * block, block, iommu::prot::read_write).ok());
  EXPECT_EQ(leaf_size(8 * block), block);
}

TEST_F(Resize, DirtyTrackingByPageIsByBlockBelowLevel2) {
  start(Bbml::level1, Stage::first, by_page());
  ASSERT_TRUE(domain->set_dirty_tracking(true));
  EXPECT_EQ(leaf_size(block), block);
  ASSERT_TRUE(domain->set_dirty_tracking(false));
}

TEST_F(Resize, DirtyTrackingByPageWithoutMemoryStaysOff) {
  start(Bbml::level2, Stage::first, by_page());
  for (std::uint64_t nth = 1; nth <= 2; ++nth) { // of each of the two blocks
    m.port.memory.fail(nth);
    EXPECT_EQ(domain->set_dirty_tracking(true), Errc::no_memory);
    m.port.memory.fail(0);
    for (const auto at : {block, 2 * block}) {
      EXPECT_EQ(leaf_size(at), block) << nth;
    }
    iommu::DirtyBitmap bits{0, 12, {}};
    EXPECT_EQ(domain->read_dirty(block, page, iommu::Clear::no, bits).error(), Errc::busy);
  }
  EXPECT_TRUE(domain->set_dirty_tracking(true));
}

} // namespace
} // namespace sluice::test

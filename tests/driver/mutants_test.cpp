#include "machine.hpp"

#include <sluice/iommu/group.hpp>

namespace sluice::test {
namespace {

TEST(Rule2, TablesOfAnUnmapWhoseWaitRunsOutAreKept) {
  constexpr std::uint64_t span = 0x200000; // of a table of pages
  Machine m;
  ASSERT_TRUE(m.start());
  auto& device = m.add({1});
  auto& domain = m.paging();
  ASSERT_TRUE(device.attach(domain).ok());
  ASSERT_TRUE(domain.map(0, 0x40001000, span, iommu::prot::read_write).ok());
  const auto tables = m.port.memory.counts().dma_blocks;
  m.fake.stopped = true;
  EXPECT_EQ(domain.unmap(0, span).error(), Errc::timed_out);
  m.port.sync.reclaim();
  EXPECT_EQ(m.port.memory.counts().dma_blocks, tables);
}

TEST(Rule2, AFailedAllocationForAGroupChangesNothing) {
  Machine m;
  ASSERT_TRUE(m.start());
  iommu::Group group{*m.smmu};
  ASSERT_TRUE(group.add(m.add({1})));
  ASSERT_TRUE(group.add(m.add({2})));
  auto& domain = m.paging();
  const auto live = m.port.memory.counts().live();
  m.fake.forget();
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE(n);
    m.port.memory.fail(n);
    const auto result = group.attach(domain);
    m.port.memory.fail(0);
    if (result.ok()) {
      EXPECT_GT(n, 4U);
      break;
    }
    EXPECT_EQ(result.error(), Errc::no_memory);
    EXPECT_EQ(m.port.memory.counts().live(), live);
    EXPECT_TRUE(m.fake.seen().empty());
  }
  EXPECT_TRUE(group.detach().ok());
}

TEST(Rule2, EachStreamIdOfADeviceIsInvalidated) {
  Machine m;
  ASSERT_TRUE(m.start());
  auto& device = m.add({0x10, 0x11, 0x210});
  m.fake.forget();
  ASSERT_TRUE(device.attach(m.smmu->identity()).ok());
  const auto commands = m.fake.commands();
  for (const StreamID sid : {0x10U, 0x11U, 0x210U}) {
    EXPECT_NE(std::ranges::find(commands, arch::cmd::cfgi_ste(sid, true)), commands.end()) << sid;
  }
}

// Whichever command of a detach is the first that is not executed.
TEST(Rule2, ATagIsNotReusedWhereverTheDetachStopped) {
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    Machine m;
    ASSERT_TRUE(m.start());
    auto& device = m.add({1});
    auto& domain = m.paging();
    ASSERT_TRUE(device.attach(domain).ok());
    m.fake.stop_after = m.fake.consumed() + n;
    const auto change = device.detach();
    ASSERT_TRUE(change.ok());
    ASSERT_TRUE(m.destroy(domain));
    if (change->confirmed) {
      EXPECT_GE(n, 4U);
      break;
    }
    EXPECT_TRUE(m.logged(driver::Code::tag_retired));
  }
}

} // namespace
} // namespace sluice::test

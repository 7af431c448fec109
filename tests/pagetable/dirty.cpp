#include "rig.hpp"

#include <utility>

// Dirty marks as hardware sets them. 3.13
namespace sluice::pagetable::test {
namespace {

using Runs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

struct Sink final : DirtySink {
  void dirty(std::uint64_t iova, std::uint64_t size) override { runs.emplace_back(iova, size); }
  Runs runs;
};

class Dirty : public testing::TestWithParam<Stage> {
protected:
  bool write(std::uint64_t iova) { return write_through(rig.arena, *table, iova); }
  Runs read(std::uint64_t iova, std::uint64_t size, Clear clear = Clear::no) {
    Sink sink;
    Gather gather;
    EXPECT_TRUE(complete(table->read_dirty(iova, size, clear, sink, gather), size));
    EXPECT_EQ(gather.empty(), clear == Clear::no || sink.runs.empty());
    table->release(gather);
    return sink.runs;
  }

  Rig rig;
  OwnedPageTable table = rig.table({.stage = GetParam(), .input_bits = 39, .dirty = true});
};
INSTANTIATE_TEST_SUITE_P(Stages, Dirty, testing::Values(Stage::one, Stage::two));

TEST_P(Dirty, AFreshMappingIsCleanAndWritable) {
  ASSERT_TRUE(table->map(0, 0, 64 * kib, rw).ok());
  EXPECT_TRUE(read(0, 64 * kib).empty());
  EXPECT_TRUE(write(4 * kib));
  EXPECT_TRUE(table->walk(4 * kib)->dirty);
  EXPECT_FALSE(table->walk(8 * kib)->dirty);
  EXPECT_EQ(table->walk(4 * kib)->prot, rw);
  EXPECT_EQ(table->walk(8 * kib)->prot, rw);
}

TEST_P(Dirty, AReadOnlyMappingNeverBecomesDirty) {
  ASSERT_TRUE(table->map(0, 0, 4 * kib, Prot::read).ok());
  EXPECT_FALSE(write(0));
  EXPECT_TRUE(read(0, 4 * kib).empty());
}

TEST_P(Dirty, NeighboursAreToldAsOneRun) {
  ASSERT_TRUE(table->map(2 * mib - 64 * kib, 4 * kib, 128 * kib, rw).ok());
  for (const std::uint64_t at : {2 * mib - 8 * kib, 2 * mib - 4 * kib, 2 * mib, 2 * mib + 8 * kib}) {
    ASSERT_TRUE(write(at));
  }
  EXPECT_EQ(read(2 * mib - 64 * kib, 128 * kib), (Runs{{2 * mib - 8 * kib, 12 * kib}, {2 * mib + 8 * kib, 4 * kib}}));
}

TEST_P(Dirty, ReadingLeavesTheMarksAndClearingTakesThem) {
  ASSERT_TRUE(table->map(0, 0, 16 * kib, rw).ok());
  ASSERT_TRUE(write(4 * kib));
  EXPECT_EQ(read(0, 16 * kib), (Runs{{4 * kib, 4 * kib}}));
  EXPECT_EQ(read(0, 16 * kib, Clear::yes), (Runs{{4 * kib, 4 * kib}}));
  EXPECT_TRUE(read(0, 16 * kib).empty());
  EXPECT_TRUE(write(4 * kib)) << "still writable";
  EXPECT_EQ(read(0, 16 * kib), (Runs{{4 * kib, 4 * kib}}));
}

TEST_P(Dirty, WhatWasClearedIsToBeInvalidated) {
  ASSERT_TRUE(table->map(0, 0, 16 * kib, rw).ok());
  ASSERT_TRUE(write(4 * kib));
  ASSERT_TRUE(write(8 * kib));
  Sink sink;
  Gather gather;
  ASSERT_TRUE(table->read_dirty(0, 16 * kib, Clear::yes, sink, gather).ok());
  ASSERT_EQ(gather.ranges().size(), 1U);
  EXPECT_EQ(gather.ranges()[0].iova, 4 * kib);
  EXPECT_EQ(gather.ranges()[0].size, 8 * kib);
  EXPECT_EQ(gather.ranges()[0].ttl(), 3U);
  table->release(gather);
}

TEST_P(Dirty, HolesArePassedOver) {
  ASSERT_TRUE(table->map(4 * kib, 0, 4 * kib, rw).ok());
  ASSERT_TRUE(table->map(3 * gib, 0, 4 * kib, rw).ok());
  ASSERT_TRUE(write(4 * kib));
  ASSERT_TRUE(write(3 * gib));
  EXPECT_EQ(read(0, 1ULL << 39), (Runs{{4 * kib, 4 * kib}, {3 * gib, 4 * kib}}));
}

TEST_P(Dirty, ABlockIsDirtyAsAWhole) {
  ASSERT_TRUE(table->map(2 * mib, 0, 4 * mib, rw).ok());
  ASSERT_TRUE(write(2 * mib + 12 * kib));
  EXPECT_EQ(read(0, 8 * mib), (Runs{{2 * mib, 2 * mib}}));
  EXPECT_EQ(read(0, 8 * mib, Clear::yes), (Runs{{2 * mib, 2 * mib}}));
  EXPECT_TRUE(read(0, 8 * mib).empty());
}

TEST_P(Dirty, ABlockInPartIsReportedInPartAndNotCleared) {
  ASSERT_TRUE(table->map(2 * mib, 0, 2 * mib, rw).ok());
  ASSERT_TRUE(write(2 * mib));
  Sink sink;
  Gather gather;
  ASSERT_TRUE(table->read_dirty(3 * mib, 4 * kib, Clear::yes, sink, gather).ok());
  EXPECT_EQ(sink.runs, (Runs{{3 * mib, 4 * kib}}));
  EXPECT_TRUE(gather.empty());
  EXPECT_EQ(read(0, 8 * mib), (Runs{{2 * mib, 2 * mib}}));
}

TEST_P(Dirty, ADirtyBlockIsUnmapped) {
  ASSERT_TRUE(table->map(2 * mib, 0, 2 * mib, rw).ok());
  ASSERT_TRUE(write(2 * mib));
  EXPECT_TRUE(complete(unmap(*table, 2 * mib, 2 * mib), 2 * mib));
  EXPECT_TRUE(read(0, 8 * mib).empty());
}

TEST_P(Dirty, BadRangesAndTablesWithoutMarksAreRefused) {
  Sink sink;
  Gather gather;
  EXPECT_TRUE(stopped(table->read_dirty(0, 0, Clear::no, sink, gather), Errc::invalid_argument));
  EXPECT_TRUE(stopped(table->read_dirty(1, 4 * kib, Clear::no, sink, gather), Errc::unaligned));
  EXPECT_TRUE(stopped(table->read_dirty(1ULL << 39, 4 * kib, Clear::no, sink, gather), Errc::input_range));
  const auto plain = rig.table({.stage = GetParam()});
  EXPECT_TRUE(stopped(plain->read_dirty(0, 4 * kib, Clear::no, sink, gather), Errc::unsupported));
}

} // namespace
} // namespace sluice::pagetable::test

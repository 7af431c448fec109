#include "rig.hpp"

#include <functional>
#include <unordered_map>

// Ports whose SMMU does not see caches: what it reads is what was cleaned.
namespace sluice::pagetable::test {
namespace {

class Shadow {
public:
  explicit Shadow(Rig& rig) : rig_{rig} {
    rig.memory.on_clean([this](const void* at, std::size_t size) { clean(at, size); });
  }
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;
  ~Shadow() { rig_.memory.on_clean({}); }

  // Nothing there yet, or what an earlier use has left: looks like a block.
  std::uint64_t read(std::uint64_t bus) const {
    const auto found = words_.find(bus);
    return found == words_.end() ? 0xdead'0000'0000'0001 : found->second;
  }
  // Before the words of a clean reach memory.
  std::function<void(std::uint64_t bus, std::size_t size)> before;

private:
  void clean(const void* at, std::size_t size) {
    const auto bus = reinterpret_cast<std::uintptr_t>(at) + rig_.memory.dma_offset();
    if (before) {
      before(bus, size);
    }
    for (std::size_t i = 0; i < size; i += 8) {
      words_[bus + i] = static_cast<const base::DmaWord*>(at)[i / 8].load();
    }
  }

  Rig& rig_;
  std::unordered_map<std::uint64_t, std::uint64_t> words_;
};

class ShadowWalker final : public Walker {
public:
  ShadowWalker(const Rig& rig, const PageTable& table, const Shadow& shadow)
      : Walker{rig.arena, table}, shadow_{shadow} {}

private:
  std::uint64_t read(std::uint64_t bus) const override { return shadow_.read(bus); }

  const Shadow& shadow_;
};

TEST(NonCoherent, WhatIsMappedIsInMemoryOnReturnAndWhatIsUnmappedIsNot) {
  for (const auto& config : formats()) {
    SCOPED_TRACE(testing::Message() << config);
    Rig rig{{.coherent = false}};
    const Shadow shadow{rig};
    const auto table = rig.table(config);
    const ShadowWalker walker{rig, *table, shadow};
    const std::uint64_t page = arch::granule_size(config.granule);
    const std::uint64_t span = page * arch::table_entries(config.granule);
    const std::uint64_t end = 1ULL << config.input_bits;
    EXPECT_FALSE(walker.walk(end - page).has_value());
    for (const auto& [iova, size] : {std::pair{end - page, page}, {end - span, span - page}, {0 * page, 2 * span}}) {
      if (size >= end) {
        continue;
      }
      ASSERT_TRUE(complete(table->map(iova, page, size, rw), size));
      ASSERT_EQ(walker.walk(iova).value().pa, page);
      ASSERT_EQ(walker.walk(iova + size - page).value().pa, size);
      ASSERT_FALSE(walker.walk((iova + size) % end).has_value());
      ASSERT_FALSE(walker.walk((iova - page) % end).has_value());
      ASSERT_TRUE(complete(unmap(*table, iova, size), size));
      ASSERT_FALSE(walker.walk(iova).has_value());
      ASSERT_FALSE(walker.walk(iova + size - page).has_value());
    }
  }
}

TEST(NonCoherent, ABlockIsInMemoryOnReturn) {
  Rig rig{{.coherent = false}};
  const Shadow shadow{rig};
  const auto table = rig.table({});
  const ShadowWalker walker{rig, *table, shadow};
  ASSERT_TRUE(table->map(2 * mib, 2 * mib, 4 * mib, rw).ok());
  EXPECT_EQ(walker.walk(4 * mib).value().leaf_size, 2 * mib);
  ASSERT_TRUE(unmap(*table, 2 * mib, 4 * mib).ok());
  EXPECT_FALSE(walker.walk(4 * mib).has_value());
}

// One thread has installed a table and not yet cleaned its descriptor when another maps through that table.
TEST(NonCoherent, AMappingThroughATableThatAnotherThreadIsInstallingIsInMemoryOnReturn) {
  for (std::uint64_t held = 1; held <= 3; ++held) {
    SCOPED_TRACE(held);
    Rig rig{{.coherent = false}};
    Shadow shadow{rig};
    const auto table = rig.table({});
    const ShadowWalker walker{rig, *table, shadow};
    std::uint64_t descriptors = 0;
    bool other_done = false;
    shadow.before = [&](std::uint64_t, std::size_t size) {
      if (size == 8 && ++descriptors == held) { // the first thread stops here
        ASSERT_TRUE(table->map(4 * kib, 8 * kib, 4 * kib, rw).ok());
        ASSERT_TRUE(walker.walk(4 * kib).has_value());
        other_done = true;
      }
    };
    ASSERT_TRUE(table->map(0, 0, 4 * kib, rw).ok());
    EXPECT_TRUE(other_done);
    EXPECT_TRUE(walker.walk(0).has_value());
    shadow.before = {};
    ASSERT_TRUE(table->map(8 * kib, 0, 2 * mib - 8 * kib, rw).ok());
    EXPECT_TRUE(complete(unmap(*table, 0, 2 * mib), 2 * mib)) << "detached, settled by whomever";
  }
}

TEST(Coherent, NothingIsCleaned) {
  Rig rig;
  const auto table = rig.table({});
  ASSERT_TRUE(table->map(0, 4 * kib, 4 * mib, rw).ok());
  ASSERT_TRUE(unmap(*table, 0, 4 * mib).ok());
  EXPECT_EQ(rig.memory.counts().cleans, 0U);
}

} // namespace
} // namespace sluice::pagetable::test

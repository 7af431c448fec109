#include <sluice/hosted/memory.hpp>
#include <sluice/hosted/together.hpp>
#include <sluice/platform/object.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace sluice::hosted {
namespace {

class MemoryTest : public ::testing::Test {
protected:
  Arena arena{{.size = 1 << 20}};
  Memory memory{arena};
};

TEST_F(MemoryTest, PlainMemoryIsZeroAndAligned) {
  const auto at = *memory.alloc(1000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 64, 0U);
  EXPECT_EQ(std::count(static_cast<char*>(at), static_cast<char*>(at) + 1000, 0), 1000);
  memory.free(at, 1000);
}

TEST_F(MemoryTest, TheNthAllocationOfEitherKindFailsAndOnlyThat) {
  memory.fail(3);
  auto first = memory.alloc(64);
  auto second = memory.dma_alloc(64, 64);
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(second.ok());
  EXPECT_TRUE(memory.dma_alloc(64, 64) == base::Errc::no_memory);
  auto fourth = memory.alloc(64);
  EXPECT_TRUE(fourth.ok());
  memory.free(*first, 64);
  memory.free(*fourth, 64);
  memory.dma_free(*second);
}

TEST_F(MemoryTest, AllAllocationsFromOneOnFailUntilThePlanIsDropped) {
  memory.fail(1, Memory::all);
  EXPECT_FALSE(memory.alloc(64).ok());
  EXPECT_FALSE(memory.dma_alloc(64, 64).ok());
  memory.fail(0);
  const auto at = memory.alloc(64);
  EXPECT_TRUE(at.ok());
  memory.free(*at, 64);
}

TEST_F(MemoryTest, CountsCallsFailuresAndWhatIsInUse) {
  const auto plain = *memory.alloc(100);
  const auto block = *memory.dma_alloc(200, 64);
  memory.fail(1);
  EXPECT_FALSE(memory.alloc(1).ok());
  EXPECT_FALSE(memory.dma_alloc(2 << 20, 64).ok());
  const auto counts = memory.counts();
  EXPECT_EQ(counts.calls, 4U);
  EXPECT_EQ(counts.failed, 2U);
  EXPECT_EQ(counts.plain_bytes, 100U);
  EXPECT_EQ(counts.dma_bytes, 200U);
  EXPECT_EQ(counts.live(), 2U);
  memory.free(plain, 100);
  memory.dma_free(block);
  EXPECT_EQ(memory.counts().live(), 0U);
  EXPECT_EQ(memory.counts().plain_bytes + memory.counts().dma_bytes, 0U);
  EXPECT_EQ(arena.live_blocks(), 0U);
}

TEST_F(MemoryTest, OwnedObjectsAreGivenBack) {
  struct Object {
    std::uint64_t value;
  };
  {
    auto object = platform::make<Object>(memory, 7U);
    ASSERT_TRUE(object.ok());
    EXPECT_EQ((*object)->value, 7U);
    EXPECT_EQ(memory.counts().plain_blocks, 1U);
  }
  EXPECT_EQ(memory.counts().plain_blocks, 0U);
}

TEST_F(MemoryTest, AnObjectThatFindsNoMemoryIsNotMade) {
  memory.fail(1);
  EXPECT_TRUE(platform::make<std::uint64_t>(memory, 1U) == base::Errc::no_memory);
}

TEST_F(MemoryTest, CleansAreCountedAndShown) {
  const void* seen = nullptr;
  memory.on_clean([&](const void* at, std::size_t) { seen = at; });
  const auto block = *memory.dma_alloc(4096, 64);
  memory.clean(block.cpu, 128);
  memory.clean(block.cpu, 64);
  EXPECT_EQ(seen, block.cpu);
  EXPECT_EQ(memory.counts().cleans, 2U);
  EXPECT_EQ(memory.counts().cleaned_bytes, 192U);
  memory.dma_free(block);
}

TEST_F(MemoryTest, BothWordsOfA128BitStoreArrive) {
  memory.set_facts({.atomic128 = true});
  const auto block = *memory.dma_alloc(64, 64);
  auto* words = block.as<std::uint64_t>();
  memory.store128(words + 2, 0x1111, 0x2222);
  EXPECT_EQ(words[1], 0U);
  EXPECT_EQ(words[2], 0x1111U);
  EXPECT_EQ(words[3], 0x2222U);
  EXPECT_EQ(words[4], 0U);
  memory.dma_free(block);
}

TEST_F(MemoryTest, FactsAreWhatTheyWereSetTo) {
  EXPECT_TRUE(memory.facts().coherent_walks);
  memory.set_facts({.coherent_walks = false, .atomic128 = true, .entry_from_place = false, .bus_bits = 44});
  EXPECT_FALSE(memory.facts().coherent_walks);
  EXPECT_TRUE(memory.facts().atomic128);
  EXPECT_FALSE(memory.facts().entry_from_place);
  EXPECT_EQ(memory.facts().bus_bits, 44U);
}

// 0x1111 and 0x2222 belong together; a reader that finds 16 bytes at once never sees them mixed.
TEST(MemoryThreads, A128BitStoreIsNeverSeenByHalf) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the two halves are read by an instruction that TSan does not see";
#endif
  Arena arena{{.size = 1 << 20}};
  Memory memory{arena, {.atomic128 = true}};
  const auto block = *memory.dma_alloc(64, 64);
  std::atomic<bool> over{false};
  std::uint64_t mixed = 0;
  together(2, [&](unsigned i) {
    if (i == 0) {
      for (std::uint64_t n = 1; n < 100000; ++n) {
        memory.store128(block.cpu, n, ~n);
      }
      over = true;
      return;
    }
#if defined(__x86_64__)
    while (!over) {
      std::uint64_t low = 0;
      std::uint64_t high = 0;
      asm volatile("lock cmpxchg16b %2" : "+a"(low), "+d"(high), "+m"(*block.as<char[16]>()) : "b"(0L), "c"(0L) : "cc");
      mixed += (low | high) != 0 && low != ~high ? 1 : 0;
    }
#endif
  });
  EXPECT_EQ(mixed, 0U);
  memory.dma_free(block);
}

} // namespace
} // namespace sluice::hosted

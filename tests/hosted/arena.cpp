#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/random.hpp>
#include <sluice/hosted/scratch.hpp>
#include <sluice/hosted/together.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <vector>

namespace sluice::hosted {
namespace {

constexpr std::uint64_t base_address = 0x40000000;

ArenaConfig small() { return {.size = 1 << 20, .bus_base = base_address}; }

bool all_are(const platform::DmaBlock& block, std::uint8_t value) {
  const auto* bytes = block.as<std::uint8_t>();
  for (std::size_t i = 0; i < block.size; ++i) {
    if (bytes[i] != value) {
      return false;
    }
  }
  return true;
}

TEST(Arena, ABlockIsNaturallyAlignedOnBothSides) {
  Arena arena{small()};
  for (const std::size_t size : {64U, 100U, 4096U, 5000U, 65536U, 262144U}) {
    const auto block = *arena.alloc(size, 64);
    const auto whole = std::bit_ceil(size);
    EXPECT_EQ(block.bus % whole, 0U) << size;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.cpu) % whole, 0U) << size;
    EXPECT_EQ(block.size, size);
  }
}

TEST(Arena, AnAlignmentBeyondTheSizeIsKept) {
  Arena arena{small()};
  const auto first = *arena.alloc(64, 64);
  const auto block = *arena.alloc(64, 65536);
  EXPECT_EQ(block.bus % 65536, 0U);
  EXPECT_NE(block.bus, first.bus);
}

TEST(Arena, BusAndCpuDifferByOneNumber) {
  Arena arena{small()};
  for (int i = 0; i < 10; ++i) {
    const auto block = *arena.alloc(4096, 4096);
    EXPECT_EQ(block.bus, reinterpret_cast<std::uintptr_t>(block.cpu) + arena.offset());
  }
}

TEST(Arena, ABlockThatIsUsedAgainIsZero) {
  Arena arena{small()};
  const auto block = *arena.alloc(4096, 64);
  std::memset(block.cpu, 0x5a, block.size);
  arena.free(block);
  const auto again = *arena.alloc(4096, 64);
  ASSERT_EQ(again.bus, block.bus);
  EXPECT_TRUE(all_are(again, 0));
}

TEST(Arena, AFreedBlockIsOverwritten) {
  Arena arena{small()};
  const auto block = *arena.alloc(4096, 64);
  arena.free(block);
  EXPECT_TRUE(all_are(block, Arena::poison_byte));
}

TEST(Arena, AFullArenaSaysNoMemory) {
  Arena arena{small()};
  EXPECT_TRUE(arena.alloc((1 << 20) + 1, 64) == base::Errc::no_memory);
  const auto all = arena.alloc(1 << 20, 64);
  EXPECT_TRUE(all.ok());
  EXPECT_TRUE(arena.alloc(64, 64) == base::Errc::no_memory);
}

TEST(Arena, FreedNeighboursJoinAgain) {
  Arena arena{small()};
  std::vector<platform::DmaBlock> blocks;
  for (auto block = arena.alloc(64, 64); block; block = arena.alloc(64, 64)) {
    blocks.push_back(*block);
  }
  EXPECT_EQ(blocks.size(), (1U << 20) / 64);
  for (const auto& block : blocks) {
    arena.free(block);
  }
  EXPECT_TRUE(arena.alloc(1 << 20, 64).ok());
}

TEST(Arena, ASizeThatIsNoPowerOfTwoIsUsedWhole) {
  Arena arena{{.size = 7 * 4096, .bus_base = base_address}};
  for (int i = 0; i < 7; ++i) {
    EXPECT_TRUE(arena.alloc(4096, 4096).ok());
  }
  EXPECT_FALSE(arena.alloc(64, 64).ok());
}

TEST(Arena, ReservedBytesAreNeverHandedOut) {
  Arena arena{{.size = 8 * 4096, .bus_base = base_address, .reserved = 3 * 4096}};
  for (int i = 0; i < 5; ++i) {
    EXPECT_GE((*arena.alloc(4096, 4096)).bus, base_address + 3 * 4096);
  }
  EXPECT_FALSE(arena.alloc(64, 64).ok());
}

TEST(Arena, HardwareReachesRamAndNothingElse) {
  Arena arena{small()};
  EXPECT_TRUE(arena.at(base_address, 1 << 20));
  EXPECT_TRUE(arena.at(base_address + (1 << 20) - 8, 8));
  EXPECT_FALSE(arena.at(base_address + (1 << 20) - 7, 8));
  EXPECT_FALSE(arena.at(base_address - 1, 1));
  EXPECT_FALSE(arena.at(base_address + (1 << 20), 1));
  EXPECT_FALSE(arena.at(~0ULL, 8));
  EXPECT_FALSE(arena.at(base_address, ~0ULL));
  const auto block = *arena.alloc(64, 64);
  EXPECT_EQ(*arena.at(block.bus, 64), block.cpu);
}

TEST(Arena, CountsWhatIsInUse) {
  Arena arena{small()};
  const auto a = *arena.alloc(100, 64);
  const auto b = *arena.alloc(4096, 64);
  EXPECT_EQ(arena.live_bytes(), 128U + 4096);
  EXPECT_EQ(arena.live_blocks(), 2U);
  arena.free(a);
  arena.free(b);
  EXPECT_EQ(arena.live_bytes(), 0U);
  EXPECT_EQ(arena.live_blocks(), 0U);
  EXPECT_EQ(arena.total_allocs(), 2U);
}

TEST(Arena, BlocksNeverOverlap) {
  Arena arena{small()};
  Random random{7};
  std::map<std::uint64_t, platform::DmaBlock> live;
  for (int i = 0; i < 20000; ++i) {
    if (random.one_in(2)) {
      if (auto block = arena.alloc(random.between(1, 20000), std::size_t{64} << random.below(8))) {
        const auto after = live.lower_bound((*block).bus);
        ASSERT_TRUE(after == live.end() || (*block).bus + (*block).size <= after->first);
        ASSERT_TRUE(after == live.begin() || std::prev(after)->first + std::prev(after)->second.size <= (*block).bus);
        live.emplace((*block).bus, *block);
      }
    } else if (!live.empty()) {
      const auto victim = std::next(live.begin(), random.below(static_cast<std::uint32_t>(live.size())));
      arena.free(victim->second);
      live.erase(victim);
    }
  }
  for (const auto& [bus, block] : live) {
    arena.free(block);
  }
  EXPECT_TRUE(arena.alloc(1 << 20, 64).ok());
}

TEST(ArenaDeathTest, FreeingTwiceEndsTheProcess) {
  Arena arena{small()};
  const auto block = *arena.alloc(64, 64);
  arena.free(block);
  EXPECT_DEATH(arena.free(block), "not in use");
}

TEST(Arena, AFileHoldsTheRamAndIsRemovedInTheEnd) {
  const Scratch scratch{1 << 20};
  const auto path = scratch.path() / "ram";
  {
    Arena arena{{.size = 1 << 20, .bus_base = base_address, .path = path}};
    const auto block = *arena.alloc(4096, 4096);
    std::memcpy(block.cpu, "sluice", 6);
    std::ifstream file{path, std::ios::binary};
    file.seekg(static_cast<std::streamoff>(block.bus - base_address));
    std::string found(6, ' ');
    file.read(found.data(), 6);
    EXPECT_EQ(found, "sluice");
    EXPECT_EQ(std::filesystem::file_size(path), 1U << 20);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Arena, AFileThatHasNoRoomIsRefusedBeforeItIsMade) {
  const Scratch scratch{4096};
  const auto path = scratch.path() / "ram";
  try {
    const Arena arena{{.size = std::size_t{1} << 50, .bus_base = 0, .path = path}};
    FAIL();
  } catch (const SetupError& error) {
    EXPECT_NE(std::string{error.what()}.find("has room for"), std::string::npos) << error.what();
    EXPECT_NE(std::string{error.what()}.find("SLUICE_SCRATCH"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Arena, AFileThatExistsIsNotOverwritten) {
  const Scratch scratch{4096};
  const auto path = scratch.path() / "ram";
  std::ofstream{path} << "somebody's";
  EXPECT_THROW((Arena{{.size = 4096, .bus_base = 0, .path = path}}), SetupError);
  EXPECT_EQ(std::filesystem::file_size(path), 10U);
}

TEST(ArenaThreads, SeveralThreadsShareIt) {
  Arena arena{{.size = 4 << 20, .bus_base = base_address}};
  together(4, [&](unsigned i) {
    Random random{i};
    std::vector<platform::DmaBlock> mine;
    for (int n = 0; n < 2000; ++n) {
      if (mine.size() < 16) {
        auto block = *arena.alloc(random.between(64, 8192), 64);
        ASSERT_TRUE(all_are(block, 0));
        std::memset(block.cpu, static_cast<int>(i) + 1, block.size);
        mine.push_back(block);
      } else {
        for (const auto& block : mine) {
          ASSERT_TRUE(all_are(block, static_cast<std::uint8_t>(i + 1)));
          arena.free(block);
        }
        mine.clear();
      }
    }
    for (const auto& block : mine) {
      arena.free(block);
    }
  });
  EXPECT_EQ(arena.live_bytes(), 0U);
}

} // namespace
} // namespace sluice::hosted

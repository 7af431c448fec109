#include <sluice/arch/stage2_geometry.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::arch {
namespace {

constexpr std::uint64_t K = 1024;
constexpr std::uint64_t M = K * K;
constexpr std::uint64_t G = K * M;
constexpr std::uint64_t T = K * G;

// D8.2: what one leaf covers at each level.
TEST(Geometry, LeafSizesAreThoseOfTheManual) {
  EXPECT_EQ(level_size(Granule::k4, 0), 512 * G);
  EXPECT_EQ(level_size(Granule::k4, 1), 1 * G);
  EXPECT_EQ(level_size(Granule::k4, 2), 2 * M);
  EXPECT_EQ(level_size(Granule::k4, 3), 4 * K);
  EXPECT_EQ(level_size(Granule::k16, 1), 64 * G);
  EXPECT_EQ(level_size(Granule::k16, 2), 32 * M);
  EXPECT_EQ(level_size(Granule::k16, 3), 16 * K);
  EXPECT_EQ(level_size(Granule::k64, 1), 4 * T);
  EXPECT_EQ(level_size(Granule::k64, 2), 512 * M);
  EXPECT_EQ(level_size(Granule::k64, 3), 64 * K);
}

TEST(Geometry, LeavesStandWhereTheManualHasThem) {
  const auto where = [](Granule g, AddressBits bits) {
    std::string levels;
    for (int level = -1; level <= 3; ++level) {
      levels += leaf_allowed(g, level, bits) ? 'x' : '.';
    }
    return levels;
  };
  EXPECT_EQ(where(Granule::k4, AddressBits::a48), "..xxx");
  EXPECT_EQ(where(Granule::k4, AddressBits::a52), ".xxxx");
  EXPECT_EQ(where(Granule::k16, AddressBits::a48), "...xx");
  EXPECT_EQ(where(Granule::k16, AddressBits::a52), "..xxx");
  EXPECT_EQ(where(Granule::k64, AddressBits::a48), "...xx");
  EXPECT_EQ(where(Granule::k64, AddressBits::a52), "..xxx");
}

TEST(Geometry, ContiguousGroupsAreThoseOfTheManual) {
  const auto size = [](Granule g, int level) { return contiguous_entries(g, level) * level_size(g, level); };
  EXPECT_EQ(size(Granule::k4, 1), 16 * G);
  EXPECT_EQ(size(Granule::k4, 2), 32 * M);
  EXPECT_EQ(size(Granule::k4, 3), 64 * K);
  EXPECT_EQ(size(Granule::k16, 2), 1 * G);
  EXPECT_EQ(size(Granule::k16, 3), 2 * M);
  EXPECT_EQ(size(Granule::k64, 2), 16 * G);
  EXPECT_EQ(size(Granule::k64, 3), 2 * M);
  EXPECT_EQ(contiguous_entries(Granule::k4, 0), 1u);
  EXPECT_EQ(contiguous_entries(Granule::k16, 1), 1u);
  EXPECT_EQ(contiguous_entries(Granule::k64, 1), 1u);
}

// D8.2: 4K levels resolve [51:48], [47:39], [38:30], [29:21], [20:12]
TEST(Geometry, AnIndexIsItsBitsOfTheAddress) {
  const std::uint64_t va = 0x000a'8030'1e00'5abc; // 0x15 << 47 | 0xc0 << 30 | 0xf0 << 21 | 5 << 12
  EXPECT_EQ(level_index(Granule::k4, -1, va), 0xau);
  EXPECT_EQ(level_index(Granule::k4, 0, va), (va >> 39) & 0x1ff);
  EXPECT_EQ(level_index(Granule::k4, 1, va), 0xc0u);
  EXPECT_EQ(level_index(Granule::k4, 2, va), 0xf0u);
  EXPECT_EQ(level_index(Granule::k4, 3, va), 5u);
  EXPECT_EQ(level_index(Granule::k16, 3, va), (va >> 14) & 0x7ff);
  EXPECT_EQ(level_index(Granule::k16, 2, va), (va >> 25) & 0x7ff);
  EXPECT_EQ(level_index(Granule::k64, 3, va), (va >> 16) & 0x1fff);
  EXPECT_EQ(level_index(Granule::k64, 2, va), (va >> 29) & 0x1fff);
}

TEST(Geometry, AWalkStartsAtTheLevelThatResolvesItsTopBits) {
  EXPECT_EQ(start_level(Granule::k4, 52), -1);
  EXPECT_EQ(start_level(Granule::k4, 49), -1);
  EXPECT_EQ(start_level(Granule::k4, 48), 0);
  EXPECT_EQ(start_level(Granule::k4, 40), 0);
  EXPECT_EQ(start_level(Granule::k4, 39), 1);
  EXPECT_EQ(start_level(Granule::k4, 31), 1);
  EXPECT_EQ(start_level(Granule::k4, 30), 2);
  EXPECT_EQ(start_level(Granule::k4, 25), 2);
  EXPECT_EQ(start_level(Granule::k4, 21), 3);
  EXPECT_EQ(start_level(Granule::k16, 48), 0);
  EXPECT_EQ(start_level(Granule::k16, 47), 1);
  EXPECT_EQ(start_level(Granule::k16, 37), 1);
  EXPECT_EQ(start_level(Granule::k16, 36), 2);
  EXPECT_EQ(start_level(Granule::k16, 25), 3);
  EXPECT_EQ(start_level(Granule::k64, 52), 1);
  EXPECT_EQ(start_level(Granule::k64, 43), 1);
  EXPECT_EQ(start_level(Granule::k64, 42), 2);
  EXPECT_EQ(start_level(Granule::k64, 29), 3);
}

TEST(Geometry, TheFirstTableIsAsLargeAsItsIndex) {
  EXPECT_EQ(first_table_bytes(Granule::k4, 0, 48), 4096u);
  EXPECT_EQ(first_table_bytes(Granule::k4, 1, 32), 32u);
  EXPECT_EQ(first_table_bytes(Granule::k4, 1, 40), 8192u); // two tables
  EXPECT_EQ(first_table_bytes(Granule::k16, 0, 48), 16u);
  EXPECT_EQ(first_table_bytes(Granule::k64, 1, 52), 8192u);
}
TEST(Geometry, AFirstTableIsAlignedToItsSizeAndTo64BytesWith52Bits) {
  EXPECT_EQ(first_table_align(Granule::k4, 1, 32, AddressBits::a48), 32u);
  EXPECT_EQ(first_table_align(Granule::k4, 1, 32, AddressBits::a52), 64u);
  EXPECT_EQ(first_table_align(Granule::k4, 0, 48, AddressBits::a52), 4096u);
}

// 4.4.1.1
TEST(Geometry, TtlNamesALevelThatTheGranuleHas) {
  EXPECT_EQ(ttl_of(Granule::k4, 3, AddressBits::a48), 3);
  EXPECT_EQ(ttl_of(Granule::k4, 1, AddressBits::a48), 1);
  EXPECT_EQ(ttl_of(Granule::k4, 0, AddressBits::a52), 0);
  EXPECT_EQ(ttl_of(Granule::k16, 1, AddressBits::a48), 0);
  EXPECT_EQ(ttl_of(Granule::k16, 1, AddressBits::a52), 1);
}

// 5.2, 5.4
TEST(Geometry, TheLimitsOfTxszAreThoseOfTheManual) {
  EXPECT_EQ(largest_txsz(Granule::k4, false), 39u);
  EXPECT_EQ(largest_txsz(Granule::k4, true), 48u);
  EXPECT_EQ(largest_txsz(Granule::k64, true), 47u);
  EXPECT_EQ(smallest_txsz(Granule::k4, false, false), 16u);
  EXPECT_EQ(smallest_txsz(Granule::k4, true, false), 16u);
  EXPECT_EQ(smallest_txsz(Granule::k4, true, true), 12u);
  EXPECT_EQ(smallest_txsz(Granule::k64, true, false), 12u);
  EXPECT_EQ(smallest_txsz(Granule::k64, false, false), 16u);
  EXPECT_EQ(smallest_s2t0sz(Granule::k4, 44, false), 20u);
  EXPECT_EQ(smallest_s2t0sz(Granule::k4, 52, false), 16u);
  EXPECT_EQ(smallest_s2t0sz(Granule::k4, 52, true), 12u);
  EXPECT_EQ(smallest_s2t0sz(Granule::k64, 52, false), 12u);
  EXPECT_EQ(smallest_s2t0sz(Granule::k64, 48, false), 16u);
}

TEST(Granules, EachEncodingGoesThereAndBack) {
  for (auto g : {Granule::k4, Granule::k16, Granule::k64}) {
    EXPECT_EQ(*granule_of(tg0(g)), g);
    EXPECT_EQ(*granule_of(tg1(g)), g);
    EXPECT_EQ(*granule_of(s2tg(g)), g);
    EXPECT_EQ(*granule_of(tlbi_tg(g)), g);
  }
}
TEST(Granules, TheFourEncodingsAreThoseOfTheManual) {
  const auto codes = [](Granule g) {
    return std::vector<int>{static_cast<int>(tg0(g)), static_cast<int>(tg1(g)), static_cast<int>(s2tg(g)),
                            static_cast<int>(tlbi_tg(g))};
  };
  EXPECT_EQ(codes(Granule::k4), (std::vector<int>{0, 2, 0, 1}));
  EXPECT_EQ(codes(Granule::k16), (std::vector<int>{2, 1, 2, 2}));
  EXPECT_EQ(codes(Granule::k64), (std::vector<int>{1, 3, 1, 3}));
}
TEST(Granules, AReservedEncodingHasNoGranule) {
  EXPECT_EQ(granule_of(Tg0::reserved), base::Errc::invalid_argument);
  EXPECT_EQ(granule_of(Tg1::reserved), base::Errc::invalid_argument);
  EXPECT_EQ(granule_of(S2Tg::reserved), base::Errc::invalid_argument);
  EXPECT_EQ(granule_of(TlbiTg::any), base::Errc::invalid_argument);
}

// One row of the tables of D8.2.8.2, D8.2.9.2 and D8.2.10.2: which S2T0SZ fit a start level. `stt_from` is the first
// that needs STT, `ds_below` the first that needs no DS.
struct Row {
  Granule granule;
  int level;
  unsigned single_min, single_max;
  unsigned concatenated_min; // x16; single_min when there is no concatenation
  unsigned stt_from;
  unsigned ds_below;
};
const Row rows[] = {
    {Granule::k4, -1, 12, 15, 12, 99, 16}, {Granule::k4, 0, 16, 24, 12, 99, 16}, {Granule::k4, 1, 25, 33, 21, 99, 0},
    {Granule::k4, 2, 34, 42, 30, 40, 0},   {Granule::k4, 3, 43, 48, 39, 0, 0},   {Granule::k16, 0, 12, 16, 12, 99, 17},
    {Granule::k16, 1, 17, 27, 13, 99, 16}, {Granule::k16, 2, 28, 38, 24, 99, 0}, {Granule::k16, 3, 39, 48, 35, 40, 0},
    {Granule::k64, 1, 12, 21, 12, 99, 0},  {Granule::k64, 2, 22, 34, 18, 99, 0}, {Granule::k64, 3, 35, 47, 31, 40, 0},
};

unsigned tables_by_row(const Row& row, unsigned t0sz, bool ds, bool stt) {
  if (t0sz < row.concatenated_min || t0sz > row.single_max || (t0sz >= row.stt_from && !stt) ||
      (t0sz < row.ds_below && !ds)) {
    return 0;
  }
  return t0sz >= row.single_min ? 1 : 1u << (row.single_min - t0sz);
}

TEST(Stage2Start, EveryS2T0szFitsTheLevelsOfTheManualsTables) {
  for (const auto& row : rows) {
    for (unsigned t0sz = 0; t0sz < 64; ++t0sz) {
      for (unsigned options = 0; options < 4; ++options) {
        const bool ds = (options & 1) != 0 && row.granule != Granule::k64;
        const bool stt = (options & 2) != 0;
        EXPECT_EQ(s2_concatenation(row.granule, row.level, t0sz, ds, stt), tables_by_row(row, t0sz, ds, stt))
            << "granule " << int(row.granule) << " level " << row.level << " S2T0SZ " << t0sz << " DS " << ds << " STT "
            << stt;
      }
    }
  }
}
TEST(Stage2Start, ALevelThatTheGranuleHasNotFitsNothing) {
  for (unsigned t0sz = 0; t0sz < 64; ++t0sz) {
    EXPECT_EQ(s2_concatenation(Granule::k64, 0, t0sz, true, true), 0u);
    EXPECT_EQ(s2_concatenation(Granule::k16, -1, t0sz, true, true), 0u);
    EXPECT_EQ(s2_concatenation(Granule::k4, 4, t0sz, true, true), 0u);
  }
}
// 5.2: a 40-bit IPA in 4K pages is two tables of level 1, or one of level 0.
TEST(Stage2Start, WhereTwoLevelsFitTheDeeperSavesALookup) {
  EXPECT_EQ(s2_concatenation(Granule::k4, 1, 24, false, false), 2u);
  EXPECT_EQ(s2_concatenation(Granule::k4, 0, 24, false, false), 1u);
  EXPECT_EQ(s2_deepest_start(Granule::k4, 24, false, false), 1);
  EXPECT_EQ(s2_deepest_start(Granule::k4, 20, false, false), 0);
  EXPECT_EQ(s2_deepest_start(Granule::k16, 16, false, false), 1);
  EXPECT_EQ(s2_deepest_start(Granule::k4, 12, false, false), no_level);
}

TEST(Stage2Start, Sl0IsThatOfTheManual) {
  EXPECT_EQ(s2_start_level(Granule::k4, {0, 0}, false, false), 2);
  EXPECT_EQ(s2_start_level(Granule::k4, {1, 0}, false, false), 1);
  EXPECT_EQ(s2_start_level(Granule::k4, {2, 0}, false, false), 0);
  EXPECT_EQ(s2_start_level(Granule::k4, {3, 0}, false, false), no_level);
  EXPECT_EQ(s2_start_level(Granule::k4, {3, 0}, false, true), 3);
  EXPECT_EQ(s2_start_level(Granule::k4, {0, 1}, true, false), -1);
  EXPECT_EQ(s2_start_level(Granule::k4, {1, 1}, true, false), no_level);
  EXPECT_EQ(s2_start_level(Granule::k4, {0, 1}, false, false), 2); // SL2 counts with DS only
  EXPECT_EQ(s2_start_level(Granule::k16, {0, 0}, false, false), 3);
  EXPECT_EQ(s2_start_level(Granule::k16, {1, 0}, false, false), 2);
  EXPECT_EQ(s2_start_level(Granule::k16, {2, 0}, false, false), 1);
  EXPECT_EQ(s2_start_level(Granule::k16, {3, 0}, false, false), no_level);
  EXPECT_EQ(s2_start_level(Granule::k16, {3, 0}, true, false), 0);
  EXPECT_EQ(s2_start_level(Granule::k64, {0, 0}, false, false), 3);
  EXPECT_EQ(s2_start_level(Granule::k64, {2, 0}, false, false), 1);
  EXPECT_EQ(s2_start_level(Granule::k64, {3, 0}, false, false), no_level);
}
TEST(Stage2Start, EveryLevelIsEncodedAsItIsDecoded) {
  for (const auto& row : rows) {
    EXPECT_EQ(s2_start_level(row.granule, s2_start_encoding(row.granule, row.level), row.ds_below != 0, true),
              row.level);
  }
}

} // namespace
} // namespace sluice::arch

#pragma once

#include <sluice/arch/geometry.hpp>

// Where stage 2 walks start: STE.S2SL0, S2SL0_2 and S2T0SZ. DDI 0487 D8.2.8.2, D8.2.9.2, D8.2.10.2
namespace sluice::arch {

// STE.S2SL0 and STE.S2SL0_2
struct S2Start {
  std::uint8_t SL0{};
  std::uint8_t SL2{};

  friend constexpr bool operator==(const S2Start&, const S2Start&) = default;
};

inline constexpr int no_level = 4;

// The start level of an encoding, no_level when it is reserved. `ds` is STE.S2DS, `stt` is IDR3.STT. SL2 counts only
// with 4K and S2DS.
constexpr int s2_start_level(Granule g, S2Start start, bool ds, bool stt) {
  if (g == Granule::k4) {
    if (ds && start.SL2 != 0) {
      return start.SL0 == 0 ? -1 : no_level;
    }
    return start.SL0 == 3 ? (stt ? 3 : no_level) : 2 - start.SL0;
  }
  if (start.SL0 == 3) {
    return g == Granule::k16 && ds ? 0 : no_level;
  }
  return 3 - start.SL0;
}

// The encoding of a start level that the granule has.
constexpr S2Start s2_start_encoding(Granule g, int level) {
  if (g == Granule::k4) {
    if (level == -1) {
      return {0, 1};
    }
    return {static_cast<std::uint8_t>(level == 3 ? 3 : 2 - level), 0};
  }
  return {static_cast<std::uint8_t>(3 - level), 0};
}

inline constexpr unsigned max_concatenated = 16;

// How many tables are concatenated at `level` for S2T0SZ `t0sz`: 1, 2, 4, 8 or 16; 0 when the two do not fit, which
// makes the STE ILLEGAL.
constexpr unsigned s2_concatenation(Granule g, int level, unsigned t0sz, bool ds, bool stt) {
  const bool wide = ds || g == Granule::k64;
  const int first = g == Granule::k4 ? (ds ? -1 : 0) : g == Granule::k16 ? (ds ? 0 : 1) : 1;
  if (level < first || level > 3 || (g == Granule::k4 && level == 3 && !stt)) {
    return 0;
  }
  if (t0sz > largest_txsz(g, stt) || t0sz < (wide ? 12u : 16u)) {
    return 0;
  }
  const unsigned input = 64 - t0sz;
  const unsigned shift = level_shift(g, level);
  if (input <= shift) {
    return 0; // the level has nothing to resolve
  }
  const unsigned index = input - shift;
  if (index <= stride(g)) {
    return 1;
  }
  return index - stride(g) <= 4 ? 1u << (index - stride(g)) : 0;
}

// The start level with the fewest levels to walk. Where two fit, the deeper one with concatenated tables.
constexpr int s2_deepest_start(Granule g, unsigned t0sz, bool ds, bool stt) {
  for (int level = 3; level >= lowest_level; --level) {
    if (s2_concatenation(g, level, t0sz, ds, stt) != 0) {
      return level;
    }
  }
  return no_level;
}

} // namespace sluice::arch

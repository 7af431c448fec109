#pragma once

#include <sluice/arch/granule.hpp>

// The shape of VMSAv8-64 tables: levels -1 (52-bit addresses in 4K pages) to 3 (pages). DDI 0487 D8.2
namespace sluice::arch {

inline constexpr int last_level = 3;
inline constexpr int lowest_level = -1;

// How many address bits an output address can have in descriptors: 48, or 52 by LPA (64K) or by DS (4K, 16K).
enum class AddressBits : std::uint8_t { a48, a52 };

// The lowest address bit that indexes a table of `level`; what one entry of it covers is 2^level_shift.
constexpr unsigned level_shift(Granule g, int level) {
  return granule_bits(g) + stride(g) * static_cast<unsigned>(last_level - level);
}
constexpr std::uint64_t level_size(Granule g, int level) { return std::uint64_t{1} << level_shift(g, level); }

// The index into a whole (not a first) table of `level`.
constexpr unsigned level_index(Granule g, int level, std::uint64_t address) {
  return static_cast<unsigned>(address >> level_shift(g, level)) & (table_entries(g) - 1);
}

// Whether a leaf may stand at `level`: a page at 3, a block above. D8.3.1
constexpr bool leaf_allowed(Granule g, int level, AddressBits bits) {
  if (level == 3 || level == 2) {
    return true;
  }
  if (level == 1) {
    return g == Granule::k4 || bits == AddressBits::a52;
  }
  return level == 0 && g == Granule::k4 && bits == AddressBits::a52;
}

// Neighbouring leaves that the Contiguous bit joins; 1 where the bit has no meaning. D8.2
constexpr unsigned contiguous_entries(Granule g, int level) {
  switch (g) {
  case Granule::k4:
    return level >= 1 && level <= 3 ? 16 : 1;
  case Granule::k16:
    return level == 3 ? 128 : level == 2 ? 32 : 1;
  case Granule::k64:
    return level == 3 || level == 2 ? 32 : 1;
  }
  return 1;
}

// The level at which a walk of `input_bits` starts, without concatenation.
constexpr int start_level(Granule g, unsigned input_bits) {
  const unsigned levels = (input_bits - granule_bits(g) + stride(g) - 1) / stride(g);
  return 4 - static_cast<int>(levels);
}

// Bits that index the first table, concatenated tables included.
constexpr unsigned first_index_bits(Granule g, int start, unsigned input_bits) {
  return input_bits - level_shift(g, start);
}
constexpr std::uint64_t first_table_bytes(Granule g, int start, unsigned input_bits) {
  return std::uint64_t{8} << first_index_bits(g, start, input_bits);
}
// The TTB's low bits below this are taken as 0: the table's size, and at least 64 bytes when addresses have 52 bits.
constexpr std::uint64_t first_table_align(Granule g, int start, unsigned input_bits, AddressBits bits) {
  const std::uint64_t size = first_table_bytes(g, start, input_bits);
  return bits == AddressBits::a52 && size < 64 ? 64 : size;
}

// TTL of a TLBI by address for leaves of `level`; 0 is any level. 4.4.1.1
constexpr std::uint8_t ttl_of(Granule g, int level, AddressBits bits) {
  if (level < 1 || level > 3 || (level == 1 && g == Granule::k16 && bits == AddressBits::a48)) {
    return 0;
  }
  return static_cast<std::uint8_t>(level);
}

// TxSZ and S2T0SZ: the input has 64 - TxSZ bits. 5.2, 5.4
inline constexpr unsigned max_txsz = 39;       // without IDR3.STT
inline constexpr unsigned max_txsz_small = 48; // with IDR3.STT
inline constexpr unsigned max_txsz_small_64k = 47;

constexpr unsigned largest_txsz(Granule g, bool stt) {
  return !stt ? max_txsz : g == Granule::k64 ? max_txsz_small_64k : max_txsz_small;
}
// Stage 1: `vax52` is IDR5.VAX != 0, `ds` is CD.DS.
constexpr unsigned smallest_txsz(Granule g, bool vax52, bool ds) {
  return vax52 && (g == Granule::k64 || ds) ? 12 : 16;
}
// Stage 2: `ias` is the intermediate address size (3.4), `ds` is STE.S2DS.
constexpr unsigned smallest_s2t0sz(Granule g, unsigned ias, bool ds) {
  const unsigned by_format = g == Granule::k64 || ds ? 12 : 16;
  const unsigned by_ias = 64 - ias;
  return by_ias > by_format ? by_ias : by_format;
}

} // namespace sluice::arch

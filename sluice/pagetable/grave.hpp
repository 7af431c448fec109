#pragma once

#include <sluice/platform/memory.hpp>
#include <sluice/platform/sync.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::pagetable {

// Tables that one gather has detached, on their way to be freed. They cannot be chained through their own words:
// hardware may walk them until the SYNC, and a thread that maps in a range while another unmaps it may write them until
// its read section ends.
struct Grave : platform::Retired {
  static constexpr std::size_t capacity = 27;

  platform::Memory* memory{};
  Grave* next_grave{}; // in an absorbed gather, or among those that are kept
  std::size_t count{};
  std::array<std::uint64_t, capacity> tables{}; // bus address, with log2 of what an entry covers in the low bits

  static constexpr std::uint64_t shift_mask = 63;
};

} // namespace sluice::pagetable

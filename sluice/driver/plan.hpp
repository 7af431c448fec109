#pragma once

#include <sluice/driver/entries.hpp>
#include <sluice/iommu/change.hpp>

#include <array>
#include <cstdint>
#include <span>

// How to change an entry that the SMMU may read at any moment, word by word. Pure: what it says can be checked without
// hardware.
namespace sluice::driver {

enum class Way : std::uint8_t {
  nothing,    // there is no difference
  in_place,   // one 64-bit word decides
  store128,   // two words decide, and are stored together
  swing,      // a changed copy of the table takes the table's place
  disruptive, // invalid in between
};

struct Step {
  enum class Kind : std::uint8_t {
    store,      // value[0] to `word`
    store128,   // both to `word` and the next
    invalidate, // the entry in the SMMU's caches, and wait
    swing,      // the whole new entry in a copy of its table; invalidates and waits
  };
  Kind kind{};
  std::uint8_t word{};
  std::array<std::uint64_t, 2> value{};

  friend constexpr bool operator==(const Step&, const Step&) = default;
};

struct Plan {
  static constexpr std::size_t capacity = 20; // 7 words before, the deciding one, 8 after, 3 invalidations

  Way way{Way::nothing};
  iommu::Gap gap{iommu::Gap::none};
  std::array<Step, capacity> steps{};
  std::uint8_t count{};

  bool hitless() const { return way != Way::disruptive; }
  std::span<const Step> all() const { return {steps.data(), count}; }
};

struct PlanFacts {
  bool atomic128{};        // the port's 128-bit stores are single-copy atomic
  bool swing{};            // the table has a pointer through which a copy can be swung in
  bool entry_from_place{}; // 3.21.3: words used together were fetched from one place; a swing rests on it
  EntryWords exempt{};     // differences that do not count
  bool cached_below{};     // what the old entry leads to may be cached, and must not be met under the new one
};

// From what is in memory, `now`, to `next`. `used_now` and `used_next` are their used bits.
Plan plan(const EntryWords& now, const EntryWords& next, const EntryWords& used_now, const EntryWords& used_next,
          const PlanFacts& facts);

} // namespace sluice::driver

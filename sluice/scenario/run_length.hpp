#pragma once

#include <cstdint>

namespace sluice::scenario {

// So many replacements that each kind of change has had its turn, also where the processors are busy with others' work.
inline constexpr std::uint64_t least_replacements = 500;
// Times what was asked for: then a run ends as it is.
inline constexpr double most_overtime = 10;

// Whether a run of free threads that was to last `wanted` seconds ends.
constexpr bool long_enough(double elapsed, double wanted, std::uint64_t replaced) {
  return elapsed >= wanted && (replaced >= least_replacements || elapsed >= most_overtime * wanted);
}

} // namespace sluice::scenario

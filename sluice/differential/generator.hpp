#pragma once

#include <sluice/differential/case.hpp>
#include <sluice/hosted/random.hpp>

#include <cstdint>
#include <span>

namespace sluice::differential {

// What the SMMUs in question have, so that most cases are about what they do.
struct Scope {
  bool stage2{true};
  unsigned oas{44};
  unsigned iova_bits{64}; // beyond them nothing reaches the SMMU
  std::uint32_t stream_id{};
};

// The case of this number: the same for the same arguments, whatever came before.
Case generate(const Scope& scope, std::uint64_t seed, std::uint64_t number, bool two_level);

// A way to make a case wrong, or at least another one.
struct Flaw {
  std::string_view name;
  unsigned weight; // how often, relative to others
  // False if it is not for this case.
  bool (*apply)(Case& c, const Scope& scope, hosted::Random& random);
};
std::span<const Flaw> flaws();

// Where targets may be: a page of each of them. The words there are their own addresses.
inline constexpr unsigned target_pages = 64;
constexpr std::uint64_t target_page(unsigned n) {
  // Spread over the area, none at the start of a block of any granule.
  return 0x4300'0000 + 0x4'0000ULL * n + 0x1000ULL * ((n * 7 + 3) % 16);
}

} // namespace sluice::differential

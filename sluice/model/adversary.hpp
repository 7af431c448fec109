#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace sluice::model {

// What the architecture lets an SMMU do with its caches at any time and that it has no reason to do (3.21.3, 4.8): for
// software to be tried against. All of it is off unless asked for. Each port has choices of its own, which follow from
// the seed, the port's number and the order of what it does.
struct Adversary {
  bool prefetch{};       // around each access something reachable is fetched and cached: L1STD, STE, L1CD, CD, tables
  bool any_order{};      // the words of an STE or CD are fetched in any order
  bool partial{};        // what is cached goes at any time: translations, tables, structures, or single words of them
  bool one_place{true};  // with `partial`: the words that are used together come from one address
  bool late{};           // a CFGI or TLBI takes effect with the CMD_SYNC after it, not before
  std::uint64_t seed{1}; // of the choices

  constexpr bool acts() const { return prefetch || partial; }
};

// splitmix64: the same numbers on every machine.
class Choices {
public:
  constexpr explicit Choices(std::uint64_t seed) : state_{seed} {}

  constexpr std::uint64_t next() {
    state_ += 0x9e37'79b9'7f4a'7c15;
    std::uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    return z ^ z >> 31;
  }
  constexpr std::uint64_t below(std::uint64_t n) { return next() % n; }
  constexpr bool one_in(std::uint64_t n) { return below(n) == 0; }
  // Of any width up to `bits`, small ones as likely as large ones.
  constexpr std::uint64_t of_width(unsigned bits) {
    const auto width = below(bits + 1);
    return width == 0 ? 0 : next() >> (64 - width);
  }
  // An order of the first `n` of 8 words.
  constexpr std::array<std::uint8_t, 8> order(std::size_t n) {
    std::array<std::uint8_t, 8> all{0, 1, 2, 3, 4, 5, 6, 7};
    for (std::size_t i = n; i > 1; --i) {
      std::swap(all[i - 1], all[below(i)]);
    }
    return all;
  }

private:
  std::uint64_t state_;
};

} // namespace sluice::model

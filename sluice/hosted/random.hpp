#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sluice::hosted {

// xoshiro256**, seeded by splitmix64: the same numbers for one seed on every machine and library, which <random>'s
// distributions do not promise.
class Random {
public:
  explicit constexpr Random(std::uint64_t seed) {
    for (auto& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  constexpr std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // 0 to n - 1; the bias of at most n / 2^32 does not matter here. `n` is below 2^32 and not 0.
  constexpr std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32); }
  // low to high, both included.
  constexpr std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    const std::uint64_t span = high - low + 1;
    return span == 0 ? next() : low + next() % span;
  }
  // True once in n times.
  constexpr bool one_in(std::uint32_t n) { return n <= 1 || below(n) == 0; }

  // A generator of its own for a part of a run, so that one part's draws do not move another's.
  constexpr Random fork() { return Random{next()}; }

private:
  std::array<std::uint64_t, 4> state_{};
};

} // namespace sluice::hosted

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice::scenario {

// What each aligned word of a buffer says of itself: whose it is, and at which address of that owner's.
struct Stamp {
  std::uint32_t owner{}; // below 2^24
  std::uint64_t iova{};  // below 2^43, a multiple of 8

  friend bool operator==(const Stamp&, const Stamp&) = default;
};

namespace detail {
// Odd, and the inverse modulo 2^64: together with the exclusive or, each byte of a word depends on owner and address,
// and the word can be read back.
constexpr std::uint64_t factor = 0x9e3779b97f4a7c15;
constexpr std::uint64_t inverse() {
  std::uint64_t x = factor; // Newton: each step doubles the number of right bits, from 3
  for (int i = 0; i < 5; ++i) {
    x *= 2 - factor * x;
  }
  return x;
}
static_assert(factor * inverse() == 1);
constexpr std::uint64_t fold(std::uint64_t x) { return x ^ (x >> 32); }
} // namespace detail

constexpr std::uint64_t word_of(const Stamp& stamp) {
  const std::uint64_t plain = static_cast<std::uint64_t>(stamp.owner) << 40 | stamp.iova >> 3;
  return detail::fold(detail::fold(plain) * detail::factor);
}

constexpr Stamp stamp_of(std::uint64_t word) {
  const std::uint64_t plain = detail::fold(detail::fold(word) * detail::inverse());
  return {static_cast<std::uint32_t>(plain >> 40), (plain & ((1ULL << 40) - 1)) << 3};
}

// The byte at any address of an owner's buffer.
constexpr std::uint8_t byte_of(std::uint32_t owner, std::uint64_t iova) {
  return static_cast<std::uint8_t>(word_of({owner, iova & ~7ULL}) >> iova % 8 * 8);
}

// Fills aligned RAM that devices see.
void stamp(void* ram, std::uint32_t owner, std::uint64_t iova, std::size_t size);
// Whether these bytes, which no device sees any more, are `owner`'s at `iova`. Any alignment.
bool stamped(const std::byte* bytes, std::uint32_t owner, std::uint64_t iova, std::size_t size);

} // namespace sluice::scenario

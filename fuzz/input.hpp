#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::fuzz {

// The bytes of an input as a sequence of choices. After its end each choice is 0.
class Input {
public:
  Input(const std::uint8_t* data, std::size_t size) : at_{data}, end_{data + size} {}

  bool empty() const { return at_ == end_; }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : *at_++; }
  std::uint64_t bytes(unsigned count) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < count; ++i) {
      value |= std::uint64_t{byte()} << 8 * i;
    }
    return value;
  }
  // `n` is at least 1.
  std::uint64_t below(std::uint64_t n) { return bytes(n <= 256 ? 1 : n <= 65536 ? 2 : 4) % n; }
  bool flag() { return (byte() & 1) != 0; }
  // Rarely, and not when the input is at its end.
  bool one_in(unsigned n) { return byte() % n == n - 1; }

private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

} // namespace sluice::fuzz

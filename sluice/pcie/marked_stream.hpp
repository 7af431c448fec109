#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sluice::pcie {

// What an endpoint delivers for random bytes: lines of 32 characters that say who made them and in which order, such as
// "SLUICE vf0..... 00000000000002a\n". Byte n of the stream is the same in every run, so that whoever finds a piece of
// it anywhere knows which piece it is.
class MarkedStream {
public:
  static constexpr std::size_t line_size = 32;

  // Of the name, 8 characters are used.
  explicit MarkedStream(std::string_view name);

  // The bytes of the stream from `position` on.
  void fill(std::uint64_t position, std::span<std::byte> into) const;
  std::string text(std::uint64_t position, std::size_t size) const;

private:
  std::string head_;
};

// FNV-1a with 64 bits, over bytes as they come.
class Digest {
public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte b : bytes) {
      value_ = (value_ ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
    }
  }
  std::uint64_t value() const { return value_; }

private:
  std::uint64_t value_{0xcbf29ce484222325};
};

} // namespace sluice::pcie

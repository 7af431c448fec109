#pragma once

#include <sluice/base/atomic.hpp>

#include <cstdint>
#include <span>

namespace sluice::pcie {

// A BAR behind which there is memory and nothing else: what one side stores the other one loads, in whatever way it
// comes to it. Zero at first; any thread.
class BarMemory {
public:
  using Word = base::Atomic<std::uint64_t>;

  // A power of two of at least 4096 bytes, which outlives the object.
  explicit BarMemory(std::span<Word> words) : words_{words} {}

  std::uint64_t size() const { return words_.size_bytes(); }
  std::span<std::byte> bytes() const { return std::as_writable_bytes(words_); }

  // Little endian. Of 1, 2, 4 or 8 bytes at a multiple of it in one piece, else byte by byte.
  std::uint64_t read(std::uint64_t offset, unsigned size) const;
  void write(std::uint64_t offset, unsigned size, std::uint64_t value);
  void clear();

private:
  std::span<Word> words_;
};

} // namespace sluice::pcie

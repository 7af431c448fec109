#pragma once

#include <sluice/hosted/mapping.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice::hosted {

// Hands out naturally aligned power-of-two blocks of a range [begin, end), in steps of `granule`. At most one step for
// each power of two. Its notes lie outside the range, which hardware can see; they cost memory only where they are
// used. Not for several threads at once.
class Buddy {
public:
  static constexpr std::uint64_t granule = 64;

  // Both multiples of the granule.
  Buddy(std::uint64_t begin, std::uint64_t end);

  // An offset that is a multiple of the block's size, which is the smallest power of two not below `size`.
  std::optional<std::uint64_t> take(std::uint64_t size);
  // The size of the block that begins at `offset`; nothing when no block in use does.
  std::optional<std::uint64_t> size_of(std::uint64_t offset) const;
  // Precondition: size_of(offset).
  void give(std::uint64_t offset);

  std::uint64_t used() const { return used_; }

private:
  static constexpr unsigned orders = 48;
  static constexpr std::uint32_t none = ~0U;

  enum class State : std::uint8_t { inside, free, used };
  struct Note {
    std::uint32_t next; // in the list of free blocks of one order; granule numbers
    std::uint32_t previous;
    State state; // `inside`: no block begins here
    std::uint8_t order;
  };

  static std::uint64_t granules(unsigned order) { return 1ULL << order; }
  void push(std::uint32_t at, unsigned order);
  void remove(std::uint32_t at);

  std::uint32_t begin_;
  std::uint32_t end_;
  Mapping memory_;
  Note* notes_;
  std::array<std::uint32_t, orders> free_{};
  std::uint64_t used_{0};
};

} // namespace sluice::hosted

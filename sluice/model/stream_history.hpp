#pragma once

#include <array>
#include <cstdint>

namespace sluice::model {

// Whether the streams that a port has seen had a legal configuration, in their order. Of those that share a slot the
// latest counts.
class StreamHistory {
public:
  // True when the stream was refused for an illegal entry between two times that it was found legal.
  bool legal(std::uint64_t key) {
    Seen& s = of(key);
    const bool was_illegal = s.then == Then::illegal_after_legal;
    s.then = Then::legal;
    return was_illegal;
  }
  void illegal(std::uint64_t key) {
    Seen& s = of(key);
    s.then = s.then == Then::unknown ? Then::unknown : Then::illegal_after_legal;
  }
  void forget() { seen_ = {}; }

private:
  enum class Then : std::uint8_t { unknown, legal, illegal_after_legal };
  struct Seen {
    std::uint64_t key{};
    Then then{};
  };
  Seen& of(std::uint64_t key) {
    Seen& s = seen_[static_cast<std::size_t>(key ^ key >> 32) % seen_.size()];
    if (s.key != key) {
      s = {key, Then::unknown};
    }
    return s;
  }

  std::array<Seen, 64> seen_{};
};

} // namespace sluice::model

#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/scenario/space.hpp>

#include <array>
#include <cstdint>

namespace sluice::scenario {

// Which spaces one stream was attached to, in order, as its changer announces it: begin() before the change is asked
// for, end() when it has returned. An access between mark() and since() may have been served by what was attached at
// the mark or by anything begun since, and by nothing else.
class History {
public:
  // How far changes may run ahead of the stream's traffic: an access then has at most ahead + 2 possible answers.
  static constexpr std::uint64_t ahead = 4;

  struct Range {
    std::uint64_t first{};
    std::uint64_t last{};
  };

  // Of the changer.
  bool may_begin() const { return begun_.load(base::Order::relaxed) - passed_.load() < ahead; }
  void begin(Space& next) {
    const std::uint64_t index = begun_.load(base::Order::relaxed) + 1;
    ring_[index % ring_.size()].store(&next, base::Order::relaxed);
    begun_.store(index);
  }
  void end() { ended_.store(begun_.load(base::Order::relaxed)); }
  std::uint64_t begun() const { return begun_.load(base::Order::relaxed); }
  // No access that is or will be under way can still ask for entries below this.
  std::uint64_t passed() const { return passed_.load(); }

  // Of the stream's traffic.
  std::uint64_t mark() const { return ended_.load(); }
  Range since(std::uint64_t mark) const { return {mark, begun_.load()}; }
  Space& at(std::uint64_t index) const { return *ring_[index % ring_.size()].load(base::Order::relaxed); }
  // No access is under way.
  void pass() { passed_.store(ended_.load()); }

private:
  std::array<base::Atomic<Space*>, 16> ring_{};
  base::Atomic<std::uint64_t> begun_{0};
  base::Atomic<std::uint64_t> ended_{0};
  base::Atomic<std::uint64_t> passed_{0};
};

} // namespace sluice::scenario

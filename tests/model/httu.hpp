#pragma once

#include "rig.hpp"

namespace sluice::model::test {

inline constexpr std::uint64_t af = 1ULL << 10;
inline constexpr std::uint64_t dbm = 1ULL << 51;
inline constexpr std::uint64_t ap2 = 1ULL << 7;   // read-only
inline constexpr std::uint64_t s2ap1 = 1ULL << 7; // writable
inline constexpr std::uint64_t s1_clean = s1_rw | ap2 | dbm;
inline constexpr std::uint64_t s2_clean = (s2_rw & ~s2ap1) | dbm;

// Somebody changes a bit of the descriptor that is software's each time that it has been read.
inline void change_always(Rig& rig, std::uint64_t descriptor) {
  rig.ram.before_fetch([&rig, descriptor](std::uint64_t address) {
    if (address == descriptor) {
      rig.ram.before_exchange([&rig, descriptor] { rig.ram.put(descriptor, rig.ram.get(descriptor) ^ 1ULL << 55); });
    }
  });
}

inline Features with_httu(unsigned httu = 2) {
  auto f = Rig::with_substreams();
  f.httu = httu;
  return f;
}

} // namespace sluice::model::test

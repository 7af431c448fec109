#pragma once

#include <cstdint>

namespace sluice::pagetable {

// What a mapping permits and how its memory is reached.
enum class Prot : std::uint8_t {
  none = 0,
  read = 1,
  write = 2, // implies read at stage 1, whose AP knows no write-only page
  execute = 4,
  privileged = 8,  // stage 1: unprivileged transactions are refused. Stage 2 has no such bit.
  mmio = 16,       // Device-nGnRE
  noncoherent = 32 // Normal Non-cacheable. With mmio, mmio counts.
};
inline constexpr unsigned prot_count = 64;

constexpr Prot operator|(Prot a, Prot b) {
  return static_cast<Prot>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr Prot operator&(Prot a, Prot b) {
  return static_cast<Prot>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}
constexpr bool has(Prot prot, Prot bits) { return (prot & bits) != Prot::none; }

} // namespace sluice::pagetable

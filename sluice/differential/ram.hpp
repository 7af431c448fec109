#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// The memory that both SMMUs look at, and where cases have things in it.
namespace sluice::differential {

namespace area {
inline constexpr std::uint64_t ram = 0x4000'0000;
inline constexpr std::uint64_t ram_end = 0x5000'0000;
// A case keeps tables and targets in one window, which is small enough for the smallest input range (25 bits).
inline constexpr std::uint64_t window = 0x4200'0000;
inline constexpr std::uint64_t window_end = 0x4400'0000;
inline constexpr std::uint64_t targets = 0x4300'0000;
inline constexpr std::uint64_t queues = 0x4400'0000;
inline constexpr unsigned queue_log2 = 8;
inline constexpr std::uint64_t answer = 0x4500'0000; // where a rival may put what it has read
// Addresses at which nothing answers on either side: no RAM, no device.
inline constexpr std::uint64_t hole = ram_end;
inline constexpr std::uint64_t hole_end = 0x40'0000'0000;
inline constexpr std::uint64_t high_hole = 0x100'0000'0000;

constexpr bool is_ram(std::uint64_t address) { return address >= ram && address < ram_end; }
constexpr bool is_hole(std::uint64_t address) {
  return (address >= hole && address < hole_end) || address >= high_hole;
}
constexpr bool is_target(std::uint64_t address) { return address >= targets && address < window_end; }
} // namespace area

// Somebody else's memory of [area::ram, area::ram_end).
class Ram {
public:
  explicit Ram(std::byte* bytes) : bytes_{bytes} {}

  std::uint64_t get(std::uint64_t address) const { return load<std::uint64_t>(address); }
  std::uint32_t get32(std::uint64_t address) const { return load<std::uint32_t>(address); }
  void put(std::uint64_t address, std::uint64_t value) { store(address, value); }
  void put32(std::uint64_t address, std::uint32_t value) { store(address, value); }
  std::byte* at(std::uint64_t address) const { return bytes_ + (address - area::ram); }

private:
  template <class T>
  T load(std::uint64_t address) const {
    T value;
    std::memcpy(&value, at(address), sizeof value);
    return value;
  }
  template <class T>
  void store(std::uint64_t address, T value) {
    std::memcpy(at(address), &value, sizeof value);
  }

  std::byte* bytes_;
};

} // namespace sluice::differential

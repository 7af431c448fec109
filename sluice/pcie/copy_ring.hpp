#pragma once

#include <sluice/pcie/bar_memory.hpp>

#include <cstdint>
#include <optional>

namespace sluice::pcie {

// Jobs of a copy engine in memory that both sides see. Software fills entries and then stores how many it has filled in
// all; the engine takes them in their order, and stores how many it has done. It keeps its own count and believes each
// word only once. For one thread at a time.
class CopyRing {
public:
  static constexpr std::uint64_t bytes = 0x4000;
  static constexpr std::uint32_t entries = 256;
  // In the memory; 32 bits each
  static constexpr std::uint64_t filled_at = 0x00; // software's, modulo 2^32
  static constexpr std::uint64_t done_at = 0x40;   // the engine's, as is what follows
  static constexpr std::uint64_t fault_at = 0x44;  // 1: more was filled than there are entries; until the reset
  static constexpr std::uint64_t entries_at = 0x1000;
  static constexpr std::uint64_t entry_bytes = 0x20;
  // In an entry
  static constexpr std::uint64_t source_at = 0x00;
  static constexpr std::uint64_t destination_at = 0x08;
  static constexpr std::uint64_t size_at = 0x10;  // 32 bits, as is what follows
  static constexpr std::uint64_t how_at = 0x14;   // a PASID, and whether that and `untranslated` count
  static constexpr std::uint64_t state_at = 0x18; // CopyDevice::State
  static constexpr std::uint64_t moved_at = 0x1c; // bytes
  static constexpr std::uint32_t untranslated = 1u << 30;
  static constexpr std::uint32_t with_pasid = 1u << 31;
  static constexpr std::uint32_t pasid_bits = 0x000f'ffff;

  explicit CopyRing(BarMemory& memory) : memory_{memory} {}

  BarMemory& memory() { return memory_; }

  struct Entry {
    std::uint64_t source{}, destination{};
    std::uint32_t size{}, how{};
  };
  // The next that is to be done; complete() follows.
  std::optional<Entry> next();
  void complete(std::uint32_t state, std::uint32_t moved);
  // Zero, too, are software's words.
  void reset();

private:
  std::uint32_t get(std::uint64_t at) const { return static_cast<std::uint32_t>(memory_.read(at, 4)); }
  std::uint64_t entry() const { return entries_at + done_ % entries * entry_bytes; }

  BarMemory& memory_;
  std::uint32_t done_{};
  bool broken_{};
};

} // namespace sluice::pcie

#pragma once

#include <sluice/arch/l1.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/driver/config.hpp>
#include <sluice/driver/dma.hpp>
#include <sluice/platform/object.hpp>

#include <cstdint>

namespace sluice::driver {

class SmmuDevice;

// STEs that lie next to each other, with the devices they belong to. A linear table is one leaf.
class Leaf {
public:
  // All entries abort (V=1, Config=0): silent, and one word away from everything else. Errors: no_memory.
  static base::Result<Leaf*> make(platform::Memory& memory, unsigned log2);
  // A table of the same size that holds nothing yet. Errors: no_memory.
  static base::Result<Dma> make_table(platform::Memory& memory, unsigned log2);
  void destroy(platform::Memory& memory);

  std::uint64_t bus() const { return table_.bus(); }
  base::DmaWord* entry(std::uint32_t index) const { return table_.words() + index * arch::Ste::word_count; }
  // The caller owns what was there.
  Dma exchange(Dma table) {
    std::swap(table, table_);
    return table;
  }
  base::Atomic<SmmuDevice*>& owner(std::uint32_t index) { return owners()[index]; }

  // Until it is linked.
  std::uint32_t number{};
  Leaf* next{};

private:
  explicit Leaf(unsigned log2) : log2_{log2} {}
  static std::size_t size(unsigned log2) { return sizeof(Leaf) + (sizeof(SmmuDevice*) << log2); }
  base::Atomic<SmmuDevice*>* owners() { return reinterpret_cast<base::Atomic<SmmuDevice*>*>(this + 1); }

  unsigned log2_;
  Dma table_;
};

// 3.3.1 The stream table, linear or of two levels. Changed with the unit's mutex held; owner() may be asked in a read
// section.
class StreamTable {
public:
  explicit StreamTable(platform::Memory& memory) : memory_{memory} {}
  StreamTable(const StreamTable&) = delete;
  StreamTable& operator=(const StreamTable&) = delete;
  ~StreamTable();

  // Errors: no_memory.
  base::Status make(unsigned bits, bool two_levels);

  bool two_levels() const { return two_levels_; }
  bool holds(StreamID sid) const { return (static_cast<std::uint64_t>(sid) >> bits_) == 0; }
  unsigned bits() const { return bits_; }
  // log2 of the STEs of a leaf.
  unsigned leaf_bits() const { return leaf_bits_; }
  std::uint32_t leaf_of(StreamID sid) const { return static_cast<std::uint32_t>(std::uint64_t{sid} >> leaf_bits_); }
  StreamID first_in(std::uint32_t leaf) const { return static_cast<StreamID>(std::uint64_t{leaf} << leaf_bits_); }
  std::uint32_t index(StreamID sid) const { return sid & ((1U << leaf_bits_) - 1); }

  // Null until it is linked.
  Leaf* leaf(std::uint32_t number) const { return leaves_[number].load(base::Order::acquire); }
  // The words of the STE; its leaf exists.
  base::DmaWord* entry(StreamID sid) const { return leaf(leaf_of(sid))->entry(index(sid)); }
  arch::Ste read(StreamID sid) const;
  SmmuDevice* owner(StreamID sid) const;
  void set_owner(StreamID sid, SmmuDevice* device) {
    leaf(leaf_of(sid))->owner(index(sid)).store(device, base::Order::release);
  }

  // Makes the leaf reachable. The SMMU may have cached that there is none: CFGI_STE with Leaf=0 is due. 5.1.1
  void link(std::uint32_t number, Leaf& leaf);
  // Points the L1STD to another table for the leaf and returns the one before, which the SMMU may still use until the
  // span is invalidated.
  Dma swing(std::uint32_t number, Dma table);

  arch::STRTAB_BASE base() const;
  arch::STRTAB_BASE_CFG base_cfg() const;

private:
  void store_l1(std::uint32_t number, std::uint64_t l2ptr);

  platform::Memory& memory_;
  bool two_levels_{};
  unsigned bits_{};
  unsigned leaf_bits_{};
  std::uint32_t leaf_count_{};
  Dma level1_; // L1STDs, when there are two levels
  base::Atomic<Leaf*>* leaves_{};
};

} // namespace sluice::driver

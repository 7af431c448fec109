#pragma once

#include <sluice/frame/command.hpp>
#include <sluice/model/adversary.hpp>
#include <sluice/model/facts.hpp>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace sluice::model {

// Rights of a mapping, one bit for each kind of access.
namespace rights {
inline constexpr unsigned read = 0, write = 1, execute = 2; // unprivileged; + privileged
inline constexpr unsigned privileged = 3;
inline constexpr std::uint64_t all = 0x3f;
inline constexpr std::uint64_t unprivileged = 0x07;
inline constexpr std::uint64_t writes = 1ULL << write | 1ULL << (write + privileged);
constexpr unsigned wanted(bool write_, bool instruction, bool privileged_) {
  return (write_ ? write : instruction ? execute : read) + (privileged_ ? privileged : 0);
}
} // namespace rights

// An input address within a context as caches know it: bits 55:12. Bits 63:56 are a sign extension or ignored (TBI).
constexpr std::uint64_t page_bits = 0x00ff'ffff'ffff'f000ULL;
constexpr std::uint64_t page_of(std::uint64_t address) { return (address & page_bits) >> 12; }
// 3.4.1: whether bits 63:56 repeat bit 55.
constexpr bool is_extended(std::uint64_t address) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << 8) >> 8) == address;
}

// A context as lookups need it.
struct TlbKey {
  std::uint64_t tag{};
  std::uint64_t salt{};

  constexpr TlbKey() = default;
  constexpr explicit TlbKey(std::uint32_t context)
      : tag{std::uint64_t{context} << 44}, salt{std::uint64_t{context} * 0x9e37'79b1} {}
};

// One 4 KB piece of a translation, whatever its leaf's size. Contexts are numbers that stand for what 3.17 tags with.
struct TlbEntry {
  std::uint64_t tag{};   // context [63:44], page [43:0]; context 0: empty
  std::uint64_t where{}; // PA [55:12], stage 2 rights [11:6], stage 1 rights [5:0]
  std::uint64_t ipa{};   // of a nested translation [55:12]; leaf's log2 size [5:0], level [7:6], granule [9:8]
  std::uint64_t type{};  // MAIR byte [7:0], shareability [9:8], writable-clean [14], log2 of the bytes that all stages
                         // translate alike [20:15], not to be cached [21]; [13:10] of stage 2 alone MemAttr, else
                         // newly_cacheable()

  static constexpr std::uint64_t make_tag(std::uint32_t context, std::uint64_t page) {
    return std::uint64_t{context} << 44 | page;
  }
  std::uint32_t context() const { return static_cast<std::uint32_t>(tag >> 44); }
  bool is(const TlbKey& key, std::uint64_t page) const { return tag == (key.tag | page); }
  std::uint64_t page() const { return tag & mask_below(44); }
  std::uint64_t stage1() const { return where & rights::all; }
  std::uint64_t stage2() const { return where >> 6 & rights::all; }
  std::uint64_t allowed() const { return where & where >> 6; }
  std::uint64_t pa() const { return where & page_bits; }
  std::uint64_t ipa_page() const { return ipa & page_bits; }
  unsigned leaf_log2() const { return static_cast<unsigned>(ipa & 0x3f); }
  unsigned level() const { return static_cast<unsigned>(ipa >> 6 & 3); }
  arch::Granule granule() const { return static_cast<arch::Granule>(ipa >> 8 & 3); }
  std::uint8_t mair() const { return static_cast<std::uint8_t>(type); }
  arch::Shareability sh() const { return static_cast<arch::Shareability>(type >> 8 & 3); }
  unsigned memattr() const { return static_cast<unsigned>(type >> 10 & 0xf); }

  // 3.13: a write that is refused has to look at the tables, where it may change the dirty state.
  bool clean() const { return (type >> 14 & 1) != 0; }
  unsigned span_log2() const { return static_cast<unsigned>(type >> 15 & 0x3f); }
  void set_span(unsigned log2) { type = (type & ~(0x3fULL << 15)) | std::uint64_t{log2} << 15; }
  bool transient() const { return (type >> 21 & 1) != 0; }
  void set_transient(bool transient) { type = (type & ~(1ULL << 21)) | std::uint64_t{transient} << 21; }
  void set_clean(bool clean) { type = (type & ~(1ULL << 14)) | std::uint64_t{clean} << 14; }

  void set_leaf(unsigned log2, int level, arch::Granule g) {
    ipa = (ipa & page_bits) | log2 | static_cast<std::uint64_t>(level) << 6 | static_cast<std::uint64_t>(g) << 8;
  }
  void set_type(std::uint8_t mair, arch::Shareability sh, unsigned memattr) {
    type = mair | static_cast<std::uint64_t>(sh) << 8 | std::uint64_t{memattr} << 10;
  }
};
static_assert(sizeof(TlbEntry) == 32); // two fit into a line; the aim is 64 bytes at most

// A pointer to the table of `level` that resolves the 2^span bytes around an input address, with what the tables above
// it take away.
struct WalkEntry {
  std::uint64_t tag{};   // as TlbEntry's; the page is the span's first
  std::uint64_t table{}; // PA
  std::uint8_t span{};   // log2
  std::uint8_t level{};
  std::uint8_t hierarchy{}; // APTable, UXNTable, PXNTable
  arch::Granule granule{};
  std::uint8_t mair{}; // 13.8: of reads of the table, what stage 2 makes of it
  arch::Shareability sh{};
};
static_assert(sizeof(WalkEntry) <= 32);

// Direct-mapped caches of one port: of leaves in 4 KB pieces, and of pointers to tables.
class Tlb {
public:
  // Both are powers of two.
  Tlb(unsigned entries, unsigned walk_entries)
      : entry_mask_{entries - 1},
        walk_mask_{walk_entries - 1}, entries_{zeroes<TlbEntry>(entries)}, walks_{zeroes<WalkEntry>(walk_entries)} {}

  // Null when it is not there.
  const TlbEntry* find(const TlbKey& key, std::uint64_t page) const {
    const TlbEntry& e = nearest(key, page);
    return e.is(key, page) ? &e : nullptr;
  }
  // The only one that it can be.
  const TlbEntry& nearest(const TlbKey& key, std::uint64_t page) const {
    return entries_[slot(key, page) & entry_mask_];
  }
  const TlbEntry* find(std::uint32_t context, std::uint64_t page) const { return find(TlbKey{context}, page); }
  void insert(const TlbEntry& entry);
  void insert_global(const TlbEntry& entry) {
    insert(entry);
    has_globals_ = true;
  }
  // Whether one was inserted since the last clear().
  bool has_globals() const { return has_globals_; }

  const WalkEntry* find_walk(std::uint32_t context, std::uint64_t page, unsigned span) const;
  void insert_walk(const WalkEntry& entry);

  // 4.4: entries of the context whose leaf holds an address of the range, and unless range.leaf, tables on the way.
  void invalidate(std::uint32_t context, const frame::AddressRange& range);
  void clear();
  // 3.21.3: an entry and a pointer to a table go, those nearest to a place that `choices` names.
  void lose_something(Choices& choices);
  // What is cached of a block serves any address of it: 3.21.1.3, also where memory has a table by now.
  void spread(Choices& choices);
  // Empty ones too.
  std::span<const TlbEntry> all() const { return {entries_.get(), entry_mask_ + 1}; }

private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  template <class Entry>
  using Zeroes = std::unique_ptr<Entry[], Free>;
  // Empty entries. Pages of a large array that are never used cost nothing.
  template <class Entry>
  static Zeroes<Entry> zeroes(std::size_t n) {
    static_assert(std::is_trivially_copyable_v<Entry> && std::is_trivially_destructible_v<Entry>);
    void* memory = std::calloc(n, sizeof(Entry));
    if (memory == nullptr) {
      throw std::bad_alloc{};
    }
    return Zeroes<Entry>{static_cast<Entry*>(memory)};
  }

  std::span<TlbEntry> entries() { return {entries_.get(), entry_mask_ + 1}; }
  std::span<WalkEntry> walks() { return {walks_.get(), walk_mask_ + 1}; }
  static std::size_t slot(const TlbKey& key, std::uint64_t page) {
    return static_cast<std::size_t>((page ^ page >> 12) + key.salt);
  }
  std::size_t entry_slot(std::uint32_t context, std::uint64_t page) const {
    return slot(TlbKey{context}, page) & entry_mask_;
  }
  // A table's number among those of its span, so that neighbours do not collide.
  std::size_t walk_slot(std::uint32_t context, std::uint64_t page, unsigned span) const {
    return slot(TlbKey{context + span}, page >> (span - 12)) & walk_mask_;
  }

  const std::size_t entry_mask_;
  const std::size_t walk_mask_;
  const Zeroes<TlbEntry> entries_;
  const Zeroes<WalkEntry> walks_;
  std::uint64_t leaf_sizes_{0}; // bit n: a leaf of 2^n bytes has been inserted since the last clear()
  std::uint64_t spans_{0};      // bit n: likewise a table of that span
  bool has_globals_{false};
  std::size_t block_{0}; // the slot of the latest piece of a leaf of more than 4 KB
};

} // namespace sluice::model

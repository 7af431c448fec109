#pragma once

#include <sluice/base/check.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace sluice::pagetable {

struct Grave;

// What changes of a table leave behind: the ranges that TLBs may still hold, and the tables that hardware may still
// walk. The caller invalidates the ranges, waits for the SYNC, and only then hands the gather to PageTable::release().
// A gather that is never released (its SYNC timed out) keeps its tables until the page table is destroyed.
class Gather {
public:
  struct Range {
    std::uint64_t iova;
    std::uint64_t size;
    std::uint8_t leaf_bits; // log2 of the smallest leaf in the range
    std::uint8_t levels;    // bit L: a leaf of level L is in the range
    bool tables;            // a table went too: the invalidation may not be limited to leaves

    // The level for a command's TTL field: 0, which is "any", unless all leaves are of one level and no table went.
    unsigned ttl() const {
      return !tables && std::has_single_bit(levels) ? static_cast<unsigned>(std::countr_zero(levels)) : 0;
    }
    std::uint64_t end() const { return iova + size; }
  };
  static constexpr std::size_t capacity = 4;

  Gather() {} // NOLINT: ranges_ stays as it is: this is made for every page that is unmapped alone
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;
  ~Gather() { base::check(grave_ == nullptr); }

  bool empty() const { return count_ == 0; }
  std::span<const Range> ranges() const { return {ranges_.data(), count_}; }
  // Whether tables wait for release().
  bool has_tables() const { return grave_ != nullptr; }

  // Ranges beyond the capacity grow the nearest one, which invalidates more than is needed.
  void add(std::uint64_t iova, std::uint64_t size, unsigned leaf_bits, unsigned levels, bool tables) {
    if (count_ != 0) [[unlikely]] {
      return add_more(iova, size, leaf_bits, levels, tables);
    }
    put(iova, size, leaf_bits, levels, tables);
  }

private:
  friend class PageTable;
  template <class Format, bool coherent>
  friend class Table;

  void clear() {
    count_ = 0;
    resized_ = 0;
  }
  Grave* take_graves() { return std::exchange(grave_, nullptr); }

  void put(std::uint64_t iova, std::uint64_t size, unsigned leaf_bits, unsigned levels, bool tables) {
    Range& range = ranges_[count_++];
    range.iova = iova;
    range.size = size;
    range.leaf_bits = static_cast<std::uint8_t>(leaf_bits);
    range.levels = static_cast<std::uint8_t>(levels);
    range.tables = tables;
  }
  [[gnu::noinline]] void add_more(std::uint64_t iova, std::uint64_t size, unsigned leaf_bits, unsigned levels,
                                  bool tables) {
    Range& last = ranges_[count_ - 1];
    if (last.iova <= iova && iova + size <= last.end()) {
      last.leaf_bits = last.leaf_bits < leaf_bits ? last.leaf_bits : static_cast<std::uint8_t>(leaf_bits);
      last.levels = static_cast<std::uint8_t>(last.levels | levels);
      last.tables = last.tables || tables;
    } else if (last.end() == iova && last.levels == levels && last.tables == tables) {
      last.size += size;
    } else if (count_ < capacity) {
      put(iova, size, leaf_bits, levels, tables);
    } else {
      merge({iova, size, static_cast<std::uint8_t>(leaf_bits), static_cast<std::uint8_t>(levels), tables});
    }
  }

  static std::uint64_t hull(const Range& a, const Range& b) {
    const std::uint64_t from = a.iova < b.iova ? a.iova : b.iova;
    return (a.end() > b.end() ? a.end() : b.end()) - from;
  }
  void merge(const Range& range) {
    Range* best = &ranges_[0];
    for (Range& r : ranges_) {
      best = hull(r, range) - r.size < hull(*best, range) - best->size ? &r : best;
    }
    best->size = hull(*best, range);
    best->iova = best->iova < range.iova ? best->iova : range.iova;
    best->leaf_bits = best->leaf_bits < range.leaf_bits ? best->leaf_bits : range.leaf_bits;
    best->levels = static_cast<std::uint8_t>(best->levels | range.levels);
    best->tables = best->tables || range.tables;
  }

  std::array<Range, capacity> ranges_; // the first count_
  std::size_t count_{};
  std::uint64_t resized_{}; // what PageTable::resizing_ counts
  Grave* grave_{};          // the first of a chain
};

} // namespace sluice::pagetable

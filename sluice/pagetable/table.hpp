#pragma once

#include <sluice/pagetable/format.hpp>
#include <sluice/pagetable/grave.hpp>
#include <sluice/pagetable/page_table.hpp>
#include <sluice/pagetable/shape.hpp>
#include <sluice/pagetable/tree.hpp>

#include <array>
#include <cstdint>

namespace sluice::pagetable {

// The one walker. F (format.hpp) says what descriptors look like.
//
// Why threads need no lock:
//
// - Above level 3 an entry changes by compare-and-swap only: 0 -> table, 0 -> block, block -> 0, table -> 0, and
//   block -> table -> block where sizes change in use. So a table is neither lost nor freed twice, whoever meets there.
// - At level 3 a map stores where it has read 0 and an unmap stores 0 where it has read a page. Two threads on one page
//   may overwrite each other there, and nothing but that page is concerned. Hardware that sets a dirty bit in between
//   (3.13, an atomic update of the descriptor it has seen) comes before or after, and read_dirty changes by
//   compare-and-swap what it has read as a dirty page.
// - An unmap detaches a table (table -> 0 in its parent) only if its own range covers the table's whole range and has
//   found no hole in it. A thread on another range has no business in such a table, so it never loses one that it uses,
//   and needs no ReadSection. A thread on an overlapping range may have found the table before: its ReadSection holds
//   up the freeing, and what it maps there is as if it had been mapped before the unmap. Whatever it hangs below a
//   detached table is freed with it.
// - A split takes over what hardware has marked in the block by then: its compare-and-swap fails if that changes.
// - A merge marks the table's descriptor first and waits for all read sections. Who changes an entry of a marked table
//   takes the mark away before, and the merge's compare-and-swap, which expects it, fails.
// - The table is freed after release(), which the caller calls after TLBI and SYNC, so that hardware walks it no more.
template <class F, bool coherent>
class Table final : public PageTable {
public:
  Table(platform::Memory& memory, platform::Sync& sync, const Shape& shape, platform::DmaBlock root);
  ~Table();

  base::Progress map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size, Prot prot) override;
  base::Progress unmap(std::uint64_t iova, std::uint64_t size, Gather& gather) override;
  base::Result<Translation> walk(std::uint64_t iova) const override;
  base::Result<std::uint64_t> iova_to_phys(std::uint64_t iova) const override;
  base::Progress read_dirty(std::uint64_t iova, std::uint64_t size, Clear clear, DirtySink& sink,
                            Gather& gather) override;
  base::Progress split(std::uint64_t iova, std::uint64_t size, Gather& gather) override;
  base::Progress merge(std::uint64_t iova, std::uint64_t size, int level, Gather& gather) override;
  void use_blocks(bool on) override { largest_.store(on ? block_shift_ : F::page_shift, base::Order::relaxed); }

private:
  using Word = base::DmaWord;

  // The descriptor that a walk ends at.
  struct Leaf {
    std::uint64_t descriptor;
    unsigned shift;
  };

  void retire(Grave& grave) override { sync_.retire(grave); }
  void keep(Grave& grave) override;
  void destroy() override;

  bool fits(std::uint64_t iova, std::uint64_t size) const {
    return size - 1 < input_end_ && iova <= input_end_ - size && ((iova | size) & (F::page_size - 1)) == 0;
  }
  [[gnu::noinline]] base::Errc input_error(std::uint64_t iova, std::uint64_t size) const;
  [[gnu::noinline]] base::Errc map_error(std::uint64_t iova, std::uint64_t pa, std::uint64_t size) const;

  // How many of `left` bytes are pages in the table of pages that has `iova`.
  static std::uint64_t pages_here(std::uint64_t iova, std::uint64_t left) {
    constexpr std::uint64_t span = F::page_size * F::entries;
    const std::uint64_t rest = span - (iova & (span - 1));
    return (left < rest ? left : rest) >> F::page_shift;
  }

  // Less than a table of pages, and all of it in one.
  static bool in_one_table(std::uint64_t iova, std::uint64_t size) {
    constexpr std::uint64_t span = F::page_size * F::entries;
    return (iova & (span - 1)) + size <= span && size < span;
  }

  [[gnu::noinline]] base::Progress map_all(std::uint64_t iova, std::uint64_t pa, std::uint64_t size,
                                           std::uint64_t attributes);
  unsigned leaf_shift(std::uint64_t aligned, std::uint64_t left) const;
  base::Progress map_some(std::uint64_t iova, std::uint64_t pa, std::uint64_t left, std::uint64_t attributes);
  std::uint64_t map_pages(Word* at, std::uint64_t pa, std::uint64_t count, std::uint64_t attributes);

  [[gnu::noinline]] base::Progress unmap_all(std::uint64_t iova, std::uint64_t size, Gather& gather);
  base::Progress unmap_some(std::uint64_t iova, std::uint64_t left, Gather& gather);
  std::uint64_t unmap_pages(Word* at, std::uint64_t count);
  enum class Detach : std::uint8_t { done, not_possible, look_again };
  Detach detach(Word* at, std::uint64_t descriptor, std::uint64_t iova, unsigned shift, Gather& gather);
  void add_leaves(Gather& gather, std::uint64_t iova, std::uint64_t size, unsigned shift) const {
    if (const auto resizing = resizing_.load(base::Order::relaxed); resizing != 0) [[unlikely]] {
      return add_any(gather, iova, size, shift, resizing);
    }
    gather.add(iova, size, shift, 1u << F::level(shift), false);
  }
  [[gnu::noinline]] static void add_any(Gather& gather, std::uint64_t iova, std::uint64_t size, unsigned shift,
                                        std::uint64_t resizing);
  Grave* grave_of(Gather& gather);
  static void bury(platform::Retired& self);

  // Of a block's entry that holds `descriptor`, which is then what the entry holds. Errors: as Tree::allocate.
  [[gnu::noinline]] base::Status split_block(Word* at, std::uint64_t& descriptor, std::uint64_t iova,
                                             std::uint64_t size, unsigned shift, Gather& gather);
  static void fill(Word* entries, std::uint64_t block, unsigned shift);

  base::Progress split_some(std::uint64_t iova, std::uint64_t left, Gather& gather);

  // The entry on the way to `iova` that covers 2^shift, or the higher one at which the way ends.
  struct Place {
    Word* at;
    unsigned shift;
  };
  Place place(std::uint64_t iova, unsigned shift) const;
  base::Progress merge_round(std::uint64_t iova, std::uint64_t size, unsigned shift, Gather& gather);
  bool mark(std::uint64_t iova, unsigned shift, std::uint64_t& next);
  void replace(std::uint64_t iova, unsigned shift, Grave& grave, Gather& gather);
  std::uint64_t as_block(std::uint64_t descriptor, unsigned shift) const;
  std::uint64_t without_mark(std::uint64_t leaf) const {
    return config().dirty && (leaf & F::L::DBM.mask) != 0 ? F::cleaned(leaf) : leaf;
  }

  Leaf find(std::uint64_t iova) const;

  class DirtyRun;
  std::uint64_t dirty_some(std::uint64_t iova, std::uint64_t left, Clear clear, DirtyRun& run, Gather& gather);
  static bool take_dirty(Word& at, bool clears);

  Tree<F, coherent> tree_;
  platform::Sync& sync_;
  const std::uint64_t input_end_;
  const std::uint64_t output_end_;
  const unsigned block_shift_;
  base::Atomic<unsigned> largest_; // of the leaves that map() may use
  base::Atomic<std::uint32_t> merging_{0};
  base::Atomic<Grave*> kept_{nullptr};
  std::array<std::uint64_t, prot_count> attributes_{}; // by Prot; 0: no permission
};

} // namespace sluice::pagetable

#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/base/result.hpp>
#include <sluice/platform/memory.hpp>

#include <cstddef>
#include <cstdint>

namespace sluice::pagetable {

// The tables of one domain in memory, and the way through them. `coherent`: the SMMU sees caches, nothing is cleaned.
template <class F, bool coherent>
class Tree {
public:
  using Word = base::DmaWord;

  Tree(platform::Memory& memory, platform::DmaBlock root, unsigned root_shift, std::uint64_t output_end)
      : root_{root.as<Word>()}, dma_offset_{memory.dma_offset()}, root_shift_{root_shift}, memory_{memory},
        root_block_{root}, output_end_{output_end} {}
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() {
    if (root_shift_ > F::page_shift) {
      free_children(memory_, root_, root_block_.size / sizeof(Word), root_shift_);
    }
    memory_.dma_free(root_block_);
  }

  platform::Memory& memory() const { return memory_; }
  unsigned root_shift() const { return root_shift_; }

  // The entry for `iova` in the root. All index bits count: concatenated tables are one table.
  Word* first(std::uint64_t iova) const { return root_ + (iova >> root_shift_); }
  // The entry for `iova` in the table that `descriptor` points to, whose entries cover 2^shift. The sums are arranged
  // so that one load waits for no more than a mask after the other.
  Word* next(std::uint64_t descriptor, std::uint64_t iova, unsigned shift) const {
    const std::uint64_t in_table = F::index(iova, shift) * sizeof(Word) - dma_offset_;
    return reinterpret_cast<Word*>(static_cast<std::uintptr_t>(F::table_address(descriptor) + in_table));
  }

  // The entry for the page at `iova`, to be changed, or nothing where that takes more than a walk.
  Word* page(std::uint64_t iova) const {
    Word* at = first(iova);
    for (unsigned shift = root_shift_; shift != F::page_shift;) {
      const auto d = at->load(base::Order::acquire);
      if (!is_ready(d)) [[unlikely]] {
        return nullptr;
      }
      shift -= F::stride;
      at = next(d, iova, shift);
    }
    return at;
  }

  // An empty table that nothing points to. Errors: no_memory, output_range.
  base::Result<platform::DmaBlock> allocate() {
    auto block = memory_.dma_alloc(F::table_size, F::table_size);
    if (block.ok() && block->bus + F::table_size > output_end_) {
      memory_.dma_free(*block);
      return base::Errc::output_range;
    }
    return block;
  }
  // Puts the table where `at` holds what is found there, and says whether it did. `found` is what is there then.
  bool put(Word* at, std::uint64_t& found, const platform::DmaBlock& table) {
    clean(table.cpu, F::table_size);
    base::dma_publish(); // what is in it before the descriptor: 3.21.2
    const std::uint64_t descriptor = F::table(table.bus);
    if (!at->compare_exchange(found, descriptor, base::Order::acq_rel)) {
      return false;
    }
    settle(at, descriptor);
    found = descriptor;
    return true;
  }
  // Puts a new table where `at` was invalid, and returns what is there then: its descriptor, or what another thread was
  // quicker to put there. Errors: no_memory, output_range.
  [[gnu::noinline]] base::Result<std::uint64_t> install(Word* at) {
    const auto table = allocate();
    if (!table) {
      return table.error();
    }
    std::uint64_t found = 0;
    if (!put(at, found, *table)) {
      memory_.dma_free(*table);
    }
    return found;
  }

  // Without coherency a descriptor that another thread has stored may not have reached memory when it is found here,
  // and what is mapped below it would not be visible on return. Whoever cleans it says so in a bit that hardware
  // ignores.
  void settle(Word* at, std::uint64_t descriptor) {
    if (!is_settled(descriptor)) {
      clean(at, sizeof(Word));
      base::dma_publish();
      at->compare_exchange(descriptor, descriptor | settled, base::Order::relaxed);
    }
  }

  // What `at` holds once an entry of the table that it points to may be changed.
  std::uint64_t ready(Word* at, std::uint64_t descriptor) {
    while (F::is_table(descriptor) && is_leaving(descriptor)) {
      if (at->compare_exchange(descriptor, descriptor & ~leaving, base::Order::acq_rel)) {
        descriptor &= ~leaving;
      }
    }
    if (F::is_table(descriptor)) {
      settle(at, descriptor);
    }
    return descriptor;
  }

  // A mark in a bit that hardware ignores: the table is about to be replaced by a block, unless somebody changes
  // something in it before.
  static constexpr std::uint64_t leaving = std::uint64_t{1} << 56;
  static constexpr bool is_leaving(std::uint64_t descriptor) { return (descriptor & leaving) != 0; }

  void clean(const void* at, std::size_t size) {
    if constexpr (!coherent) {
      memory_.clean(at, size);
    }
  }

  // Bit L for each level L at which the table has leaves; 0 if a hole is in it or below it.
  [[gnu::noinline]] std::uint8_t levels_if_full(std::uint64_t descriptor, unsigned shift) const {
    const Word* const entries = next(descriptor, 0, shift);
    if (shift == F::page_shift) {
      return pages_full(entries) ? std::uint8_t{1} << 3 : 0;
    }
    unsigned levels = 0;
    for (std::size_t i = 0; i < F::entries; ++i) {
      const auto d = entries[i].load(base::Order::acquire);
      const unsigned here = !F::valid(d)     ? 0
                            : F::is_table(d) ? levels_if_full(d, shift - F::stride)
                                             : 1u << F::level(shift);
      if (here == 0) {
        return 0;
      }
      levels |= here;
    }
    return static_cast<std::uint8_t>(levels);
  }

  // Frees a table that nobody can reach any more, and those below it.
  [[gnu::noinline]] static void free_table(platform::Memory& memory, std::uint64_t bus, unsigned shift) {
    auto* const entries = reinterpret_cast<Word*>(static_cast<std::uintptr_t>(bus - memory.dma_offset()));
    if (shift > F::page_shift) {
      free_children(memory, entries, F::entries, shift);
    }
    memory.dma_free({entries, bus, F::table_size});
  }

private:
  static constexpr std::uint64_t settled = std::uint64_t{1} << 55;
  static constexpr bool is_settled(std::uint64_t descriptor) { return coherent || (descriptor & settled) != 0; }
  static constexpr bool is_ready(std::uint64_t descriptor) {
    constexpr std::uint64_t wanted = 3 | (coherent ? 0 : settled);
    return (descriptor & (wanted | leaving)) == wanted;
  }

  static bool pages_full(const Word* entries) {
    constexpr std::size_t step = 8;
    for (std::size_t i = 0; i < F::entries; i += step) {
      std::uint64_t all = ~std::uint64_t{0};
      for (std::size_t j = 0; j < step; ++j) {
        all &= entries[i + j].load(base::Order::relaxed);
      }
      if (!F::valid(all)) {
        return false;
      }
    }
    return true;
  }

  [[gnu::noinline]] static void free_children(platform::Memory& memory, const Word* entries, std::size_t count,
                                              unsigned shift) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto d = entries[i].load(base::Order::relaxed);
      if (F::is_table(d)) {
        free_table(memory, F::table_address(d), shift - F::stride);
      }
    }
  }

  Word* const root_;
  const std::uint64_t dma_offset_;
  const unsigned root_shift_;
  platform::Memory& memory_;
  const platform::DmaBlock root_block_;
  const std::uint64_t output_end_; // tables lie below it: 3.4
};

} // namespace sluice::pagetable

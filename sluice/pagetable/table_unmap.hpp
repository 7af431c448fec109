#pragma once

#include <sluice/pagetable/table.hpp>
#include <sluice/platform/object.hpp>

#include <bit>

namespace sluice::pagetable {

template <class F, bool coherent>
base::Progress Table<F, coherent>::unmap(std::uint64_t iova, std::uint64_t size, Gather& gather) {
  if (!fits(iova, size)) [[unlikely]] {
    return {0, input_error(iova, size)};
  }
  Word* const at = in_one_table(iova, size) ? tree_.page(iova) : nullptr;
  if (at == nullptr) [[unlikely]] {
    return unmap_all(iova, size, gather);
  }
  const auto done = unmap_pages(at, size >> F::page_shift) << F::page_shift;
  if (done != 0) {
    add_leaves(gather, iova, done, F::page_shift);
  }
  base::dma_publish();
  return {done, done == size ? base::Status{} : base::Errc::not_mapped};
}

template <class F, bool coherent>
base::Progress Table<F, coherent>::unmap_all(std::uint64_t iova, std::uint64_t size, Gather& gather) {
  base::Progress all;
  do {
    const auto step = unmap_some(iova + all.done, size - all.done, gather);
    all.done += step.done;
    all.status = step.status;
  } while (all.ok() && all.done < size);
  base::dma_publish();
  return all;
}

// Unmaps a block, a whole table, or pages up to the end of one table. Nothing done without an error: look again.
template <class F, bool coherent>
base::Progress Table<F, coherent>::unmap_some(std::uint64_t iova, std::uint64_t left, Gather& gather) {
  Word* at = tree_.first(iova);
  for (unsigned shift = tree_.root_shift(); shift != F::page_shift;) {
    std::uint64_t d = at->load(base::Order::acquire);
    const std::uint64_t span = std::uint64_t{1} << shift;
    const bool whole = left >= span && (iova & (span - 1)) == 0;
    while (F::valid(d) && !F::is_table(d)) {
      if (!whole) {
        const std::uint64_t rest = span - (iova & (span - 1));
        if (const auto split = split_block(at, d, iova, left < rest ? left : rest, shift, gather); !split) {
          return {0, split};
        }
        continue;
      }
      // Fails when hardware has just made the block dirty, or another thread was quicker.
      if (at->compare_exchange(d, 0, base::Order::acq_rel)) {
        tree_.clean(at, sizeof(Word));
        add_leaves(gather, iova, span, shift);
        return {span, {}};
      }
    }
    if (!F::valid(d)) {
      return {0, base::Errc::not_mapped};
    }
    if (const auto outcome = whole ? detach(at, d, iova, shift, gather) : Detach::not_possible;
        outcome != Detach::not_possible) {
      return {outcome == Detach::done ? span : 0, {}};
    }
    d = tree_.ready(at, d);
    if (!F::is_table(d)) {
      return {}; // another thread was quicker
    }
    shift -= F::stride;
    at = tree_.next(d, iova, shift);
  }
  const std::uint64_t wanted = pages_here(iova, left);
  const std::uint64_t done = unmap_pages(at, wanted);
  if (done != 0) {
    add_leaves(gather, iova, done << F::page_shift, F::page_shift);
  }
  return {done << F::page_shift, done == wanted ? base::Status{} : base::Errc::not_mapped};
}

// Entries of one table of pages, up to the first that is not mapped.
template <class F, bool coherent>
std::uint64_t Table<F, coherent>::unmap_pages(Word* at, std::uint64_t count) {
  std::uint64_t i = 0;
  for (; i < count && F::valid(at[i].load(base::Order::relaxed)); ++i) {
    at[i].store(0, base::Order::relaxed);
  }
  tree_.clean(at, i * sizeof(Word));
  return i;
}

// Takes away a table without holes whose whole range is unmapped. Where there is no memory for the note of it, the
// leaves are cleared one by one and the table stays for the next map.
template <class F, bool coherent>
auto Table<F, coherent>::detach(Word* at, std::uint64_t descriptor, std::uint64_t iova, unsigned shift, Gather& gather)
    -> Detach {
  const auto levels = tree_.levels_if_full(descriptor, shift - F::stride);
  Grave* const grave = levels != 0 ? grave_of(gather) : nullptr;
  if (grave == nullptr || grave->count == Grave::capacity) {
    return Detach::not_possible;
  }
  const auto table = F::table_address(descriptor);
  if (!at->compare_exchange(descriptor, 0, base::Order::acq_rel)) {
    return Detach::look_again; // another thread was quicker
  }
  tree_.clean(at, sizeof(Word));
  grave->tables[grave->count++] = table | (shift - F::stride);
  const unsigned deepest = static_cast<unsigned>(std::bit_width(levels)) - 1;
  // What a table had before a merge may be cached still, and is smaller.
  const unsigned leaf = resizing_.load(base::Order::relaxed) >= one_merge
                            ? F::page_shift
                            : arch::level_shift(F::granule, static_cast<int>(deepest));
  gather.add(iova, std::uint64_t{1} << shift, leaf, levels, true);
  return Detach::done;
}

template <class F, bool coherent>
Grave* Table<F, coherent>::grave_of(Gather& gather) {
  if (gather.grave_ == nullptr) {
    auto grave = platform::make<Grave>(tree_.memory());
    if (!grave) {
      return nullptr;
    }
    gather.grave_ = grave->release();
    gather.grave_->free = &bury;
    gather.grave_->memory = &tree_.memory();
  }
  base::check(gather.grave_->free == &bury); // a gather belongs to one page table
  return gather.grave_;
}

template <class F, bool coherent>
void Table<F, coherent>::bury(platform::Retired& self) {
  auto& grave = static_cast<Grave&>(self);
  auto& memory = *grave.memory;
  for (std::size_t i = 0; i < grave.count; ++i) {
    const auto entry = grave.tables[i];
    Tree<F, coherent>::free_table(memory, entry & ~Grave::shift_mask, static_cast<unsigned>(entry & Grave::shift_mask));
  }
  platform::Owned<Grave>{memory, &grave}.reset();
}

template <class F, bool coherent>
void Table<F, coherent>::keep(Grave& grave) {
  grave.next_grave = kept_.load(base::Order::relaxed);
  while (!kept_.compare_exchange(grave.next_grave, &grave, base::Order::acq_rel)) {
  }
}

template <class F, bool coherent>
Table<F, coherent>::~Table() {
  for (Grave* grave = kept_.load(base::Order::acquire); grave != nullptr;) {
    bury(*std::exchange(grave, grave->next_grave));
  }
}

template <class F, bool coherent>
void Table<F, coherent>::destroy() {
  platform::Owned<Table>{tree_.memory(), this}.reset();
}

} // namespace sluice::pagetable

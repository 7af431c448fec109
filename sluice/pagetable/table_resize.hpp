#pragma once

#include <sluice/pagetable/table_unmap.hpp>

// Leaves of one size take the place of leaves of another that map the same, while devices use them. 3.21.1.3: an SMMU
// with BBML 2 that has both in its TLB translates by one of the two, and an invalidation takes all that match. So
// nothing has to be invalidated for the change itself, but until that is done once, no invalidation of what is in the
// range may be limited to the leaves that memory has now.
namespace sluice::pagetable {

// What is cached may be of any level; after a merge also smaller than what memory has, or a pointer to the table.
template <class F, bool coherent>
void Table<F, coherent>::add_any(Gather& gather, std::uint64_t iova, std::uint64_t size, unsigned shift,
                                 std::uint64_t resizing) {
  constexpr unsigned every_level = 0b1111;
  const bool merged = resizing >= one_merge;
  gather.add(iova, size, merged ? F::page_shift : shift, every_level, merged);
}

template <class F, bool coherent>
void Table<F, coherent>::fill(Word* entries, std::uint64_t block, unsigned shift) {
  const auto attributes = F::attributes(block);
  const auto pa = F::leaf_address(block, shift + F::stride);
  for (std::uint64_t i = 0; i < F::entries; ++i) {
    entries[i].store(F::leaf_at(shift, attributes, pa + (i << shift)), base::Order::relaxed);
  }
}

template <class F, bool coherent>
base::Status Table<F, coherent>::split_block(Word* at, std::uint64_t& descriptor, std::uint64_t iova,
                                             std::uint64_t size, unsigned shift, Gather& gather) {
  if (!config().resizes) {
    return base::Errc::would_split;
  }
  const auto table = tree_.allocate();
  if (!table) {
    return table.error();
  }
  resizing_.fetch_add(one_split, base::Order::relaxed); // known before the table can be found
  do {
    fill(table->template as<Word>(), descriptor, shift - F::stride);
    if (tree_.put(at, descriptor, *table)) {
      gather.resized_ += one_split;
      add_leaves(gather, iova, size, shift);
      return {};
    }
  } while (F::valid(descriptor) && !F::is_table(descriptor)); // 3.13: hardware has marked it meanwhile
  resizing_.fetch_sub(one_split, base::Order::relaxed);
  tree_.memory().dma_free(*table);
  return {};
}

template <class F, bool coherent>
base::Progress Table<F, coherent>::split(std::uint64_t iova, std::uint64_t size, Gather& gather) {
  if (!config().resizes) {
    return {0, base::Errc::unsupported};
  }
  if (!fits(iova, size)) {
    return {0, input_error(iova, size)};
  }
  base::Progress all;
  while (all.ok() && all.done < size) {
    const auto step = split_some(iova + all.done, size - all.done, gather);
    all.done += step.done;
    all.status = step.status;
  }
  base::dma_publish();
  return all;
}

// Splits what one entry covers down to pages, as far as one table of them goes, or passes over a hole.
template <class F, bool coherent>
base::Progress Table<F, coherent>::split_some(std::uint64_t iova, std::uint64_t left, Gather& gather) {
  Word* at = tree_.first(iova);
  unsigned shift = tree_.root_shift();
  while (shift != F::page_shift) {
    std::uint64_t d = at->load(base::Order::acquire);
    const std::uint64_t span = std::uint64_t{1} << shift;
    if (F::valid(d) && !F::is_table(d)) {
      if (const auto split = split_block(at, d, iova & ~(span - 1), span, shift, gather); !split) {
        return {0, split};
      }
    }
    if (!F::is_table(d)) {
      const std::uint64_t rest = span - (iova & (span - 1));
      return {left < rest ? left : rest, {}};
    }
    shift -= F::stride;
    at = tree_.next(d, iova, shift);
  }
  return {pages_here(iova, left) << F::page_shift, {}};
}

template <class F, bool coherent>
auto Table<F, coherent>::place(std::uint64_t iova, unsigned shift) const -> Place {
  Place found{tree_.first(iova), tree_.root_shift()};
  while (found.shift != shift) {
    const auto d = found.at->load(base::Order::acquire);
    if (!F::is_table(d)) {
      break;
    }
    found.shift -= F::stride;
    found.at = tree_.next(d, iova, found.shift);
  }
  return found;
}

// The block that the table's leaves would make, or 0. 3.13: whatever hardware still marks in the table is not lost.
template <class F, bool coherent>
std::uint64_t Table<F, coherent>::as_block(std::uint64_t descriptor, unsigned shift) const {
  const unsigned leaf = shift - F::stride;
  const Word* const entries = tree_.next(descriptor, 0, leaf);
  const auto first = without_mark(entries[0].load(base::Order::acquire));
  const auto pa = F::leaf_address(first, leaf);
  const bool is_leaf = F::valid(first) && F::is_table(first) == (leaf == F::page_shift);
  if (!is_leaf || (pa & ((std::uint64_t{1} << shift) - 1)) != 0) {
    return 0;
  }
  const auto attributes = F::attributes(first);
  for (std::uint64_t i = 1; i < F::entries; ++i) {
    if (without_mark(entries[i].load(base::Order::acquire)) != F::leaf_at(leaf, attributes, pa + (i << leaf))) {
      return 0;
    }
  }
  const bool marks = config().dirty && (first & F::L::DBM.mask) != 0;
  return F::block(marks ? F::dirtied(attributes) : attributes, pa);
}

template <class F, bool coherent>
base::Progress Table<F, coherent>::merge(std::uint64_t iova, std::uint64_t size, int level, Gather& gather) {
  if (!config().resizes) {
    return {0, base::Errc::unsupported};
  }
  if (!fits(iova, size)) {
    return {0, input_error(iova, size)};
  }
  if (level < 0 || level >= arch::last_level || arch::level_shift(F::granule, level) > block_shift_) {
    return {0, base::Errc::invalid_argument};
  }
  if (merging_.exchange(1, base::Order::acquire) != 0) {
    return {0, base::Errc::busy};
  }
  const auto progress = merge_round(iova, size, arch::level_shift(F::granule, level), gather);
  merging_.store(0, base::Order::release);
  return progress;
}

// Marks as many tables as there is room for in a grave, waits for who may be in one of them without having seen the
// mark, and replaces those that are marked still.
template <class F, bool coherent>
base::Progress Table<F, coherent>::merge_round(std::uint64_t iova, std::uint64_t size, unsigned shift, Gather& gather) {
  Grave* const grave = grave_of(gather);
  if (grave == nullptr) {
    return {0, base::Errc::no_memory};
  }
  const std::uint64_t span = std::uint64_t{1} << shift;
  const std::uint64_t end = iova + size;
  std::array<std::uint64_t, Grave::capacity> marked; // NOLINT: the first `count`
  std::size_t count = 0;
  std::uint64_t at = (iova + span - 1) & ~(span - 1);
  {
    const platform::ReadSection section{sync_};
    while (at < end && end - at >= span && count < Grave::capacity - grave->count) {
      marked[count] = at;
      count += mark(at, shift, at) ? 1 : 0;
    }
  }
  if (count != 0) {
    sync_.reclaim();
    const platform::ReadSection section{sync_};
    for (std::size_t i = 0; i < count; ++i) {
      replace(marked[i], shift, *grave, gather);
    }
    base::dma_publish();
  }
  const bool all = at >= end || end - at < span;
  return {all ? size : at - iova, {}};
}

// `next`: where there may be another one.
template <class F, bool coherent>
bool Table<F, coherent>::mark(std::uint64_t iova, unsigned shift, std::uint64_t& next) {
  const Place here = place(iova, shift);
  next = (iova | ((std::uint64_t{1} << here.shift) - 1)) + 1;
  std::uint64_t d = here.shift == shift ? here.at->load(base::Order::acquire) : 0;
  return F::is_table(d) && as_block(d, shift) != 0 &&
         here.at->compare_exchange(d, d | tree_.leaving, base::Order::acq_rel);
}

template <class F, bool coherent>
void Table<F, coherent>::replace(std::uint64_t iova, unsigned shift, Grave& grave, Gather& gather) {
  const Place here = place(iova, shift);
  std::uint64_t d = here.shift == shift ? here.at->load(base::Order::acquire) : 0;
  if (!F::is_table(d) || !tree_.is_leaving(d)) {
    return; // somebody has changed something in it
  }
  const auto table = F::table_address(d);
  const auto block = as_block(d, shift);
  if (block == 0) {
    here.at->compare_exchange(d, d & ~tree_.leaving, base::Order::relaxed);
    return;
  }
  resizing_.fetch_add(one_merge, base::Order::relaxed); // known before the block can be found
  if (!here.at->compare_exchange(d, block, base::Order::acq_rel)) {
    resizing_.fetch_sub(one_merge, base::Order::relaxed);
    return;
  }
  tree_.clean(here.at, sizeof(Word));
  gather.resized_ += one_merge;
  grave.tables[grave.count++] = table | (shift - F::stride);
  add_any(gather, iova, std::uint64_t{1} << shift, shift, one_merge);
}

} // namespace sluice::pagetable

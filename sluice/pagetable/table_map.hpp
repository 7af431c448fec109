#pragma once

#include <sluice/pagetable/table.hpp>

namespace sluice::pagetable {

template <class F, bool coherent>
base::Errc Table<F, coherent>::input_error(std::uint64_t iova, std::uint64_t size) const {
  return size == 0                                   ? base::Errc::invalid_argument
         : ((iova | size) & (F::page_size - 1)) != 0 ? base::Errc::unaligned
         : iova + size < iova                        ? base::Errc::overflow
                                                     : base::Errc::input_range;
}

template <class F, bool coherent>
base::Errc Table<F, coherent>::map_error(std::uint64_t iova, std::uint64_t pa, std::uint64_t size) const {
  if (size != 0 && (pa & (F::page_size - 1)) != 0) {
    return base::Errc::unaligned;
  }
  if (!fits(iova, size)) {
    return input_error(iova, size);
  }
  return pa + size < pa ? base::Errc::overflow : base::Errc::output_range;
}

template <class F, bool coherent>
base::Progress Table<F, coherent>::map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size, Prot prot) {
  const bool pa_fits = (pa & (F::page_size - 1)) == 0 && size <= output_end_ && pa <= output_end_ - size;
  if (!fits(iova, size) || !pa_fits) [[unlikely]] {
    return {0, map_error(iova, pa, size)};
  }
  const auto attributes = attributes_[static_cast<unsigned>(prot) % prot_count];
  if (attributes == 0) [[unlikely]] {
    return {0, base::Errc::no_permission};
  }
  Word* const at = in_one_table(iova, size) ? tree_.page(iova) : nullptr;
  if (at == nullptr) [[unlikely]] {
    return map_all(iova, pa, size, attributes);
  }
  const auto done = map_pages(at, pa, size >> F::page_shift, attributes) << F::page_shift;
  base::dma_publish();
  return {done, done == size ? base::Status{} : base::Errc::already_mapped};
}

template <class F, bool coherent>
base::Progress Table<F, coherent>::map_all(std::uint64_t iova, std::uint64_t pa, std::uint64_t size,
                                           std::uint64_t attributes) {
  base::Progress all;
  do {
    const auto step = map_some(iova + all.done, pa + all.done, size - all.done, attributes);
    all.done += step.done;
    all.status = step.status;
  } while (all.ok() && all.done < size);
  base::dma_publish();
  return all;
}

// log2 of the largest leaf that the alignment and the rest of the range permit.
template <class F, bool coherent>
unsigned Table<F, coherent>::leaf_shift(std::uint64_t aligned, std::uint64_t left) const {
  if (left < F::page_size << F::stride) {
    return F::page_shift;
  }
  unsigned shift = largest_.load(base::Order::relaxed);
  while (shift > F::page_shift && (left >> shift == 0 || (aligned & ((std::uint64_t{1} << shift) - 1)) != 0)) {
    shift -= F::stride;
  }
  return shift;
}

// Maps a block, or pages up to the end of one table.
template <class F, bool coherent>
base::Progress Table<F, coherent>::map_some(std::uint64_t iova, std::uint64_t pa, std::uint64_t left,
                                            std::uint64_t attributes) {
  const unsigned leaf = leaf_shift(iova | pa, left);
  Word* at = tree_.first(iova);
  for (unsigned shift = tree_.root_shift(); shift != F::page_shift;) {
    std::uint64_t d = at->load(base::Order::acquire);
    if (shift <= leaf && d == 0 && at->compare_exchange(d, F::block(attributes, pa), base::Order::acq_rel)) {
      tree_.clean(at, sizeof(Word));
      return {std::uint64_t{1} << shift, {}};
    }
    if (!F::valid(d)) [[unlikely]] {
      const auto now = tree_.install(at);
      if (!now) {
        return {0, now.error()};
      }
      d = *now;
    }
    d = tree_.ready(at, d);
    if (!F::is_table(d)) {
      return {0, F::valid(d) ? base::Status{base::Errc::already_mapped} : base::Status{}}; // or another was quicker
    }
    shift -= F::stride;
    at = tree_.next(d, iova, shift);
  }
  const std::uint64_t wanted = pages_here(iova, left);
  const std::uint64_t done = map_pages(at, pa, wanted, attributes);
  return {done << F::page_shift, done == wanted ? base::Status{} : base::Errc::already_mapped};
}

// Entries of one table of pages, up to the first that is in use.
template <class F, bool coherent>
std::uint64_t Table<F, coherent>::map_pages(Word* at, std::uint64_t pa, std::uint64_t count, std::uint64_t attributes) {
  std::uint64_t i = 0;
  for (; i < count && at[i].load(base::Order::relaxed) == 0; ++i) {
    at[i].store(F::page(attributes, pa + (i << F::page_shift)), base::Order::relaxed);
  }
  tree_.clean(at, i * sizeof(Word));
  return i;
}

} // namespace sluice::pagetable

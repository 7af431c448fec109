#pragma once

#include <sluice/pagetable/table.hpp>

namespace sluice::pagetable {

template <class F, bool coherent>
auto Table<F, coherent>::find(std::uint64_t iova) const -> Leaf {
  const Word* at = tree_.first(iova);
  unsigned shift = tree_.root_shift();
  std::uint64_t d = at->load(base::Order::acquire);
  while (shift != F::page_shift && F::is_table(d)) {
    shift -= F::stride;
    d = tree_.next(d, iova, shift)->load(base::Order::acquire);
  }
  return {d, shift};
}

template <class F, bool coherent>
base::Result<std::uint64_t> Table<F, coherent>::iova_to_phys(std::uint64_t iova) const {
  if (iova >= input_end_) [[unlikely]] {
    return base::Errc::input_range;
  }
  const auto [d, shift] = find(iova);
  if (!F::valid(d)) {
    return base::Errc::not_mapped;
  }
  return F::leaf_address(d, shift) | (iova & ((std::uint64_t{1} << shift) - 1));
}

template <class F, bool coherent>
base::Result<Translation> Table<F, coherent>::walk(std::uint64_t iova) const {
  if (iova >= input_end_) {
    return base::Errc::input_range;
  }
  const auto [d, shift] = find(iova);
  if (!F::valid(d)) {
    return base::Errc::not_mapped;
  }
  const std::uint64_t size = std::uint64_t{1} << shift;
  return Translation{.pa = F::leaf_address(d, shift) | (iova & (size - 1)),
                     .leaf_size = size,
                     .level = F::level(shift),
                     .prot = F::prot(d, config()),
                     .dirty = F::dirty(d)};
}

// Neighbouring dirty leaves, told to the sink as one.
template <class F, bool coherent>
class Table<F, coherent>::DirtyRun {
public:
  explicit DirtyRun(DirtySink& sink) : sink_{sink} {}
  DirtyRun(const DirtyRun&) = delete;
  DirtyRun& operator=(const DirtyRun&) = delete;
  ~DirtyRun() { tell(); }

  void add(std::uint64_t iova, std::uint64_t size) {
    if (iova != begin_ + size_) {
      tell();
      begin_ = iova;
      size_ = 0;
    }
    size_ += size;
  }

private:
  void tell() {
    if (size_ != 0) {
      sink_.dirty(begin_, size_);
    }
  }

  DirtySink& sink_;
  std::uint64_t begin_{};
  std::uint64_t size_{};
};

template <class F, bool coherent>
base::Progress Table<F, coherent>::read_dirty(std::uint64_t iova, std::uint64_t size, Clear clear, DirtySink& sink,
                                              Gather& gather) {
  if (!config().dirty) {
    return {0, base::Errc::unsupported};
  }
  if (!fits(iova, size)) {
    return {0, input_error(iova, size)};
  }
  DirtyRun run{sink};
  for (std::uint64_t done = 0; done < size;) {
    done += dirty_some(iova + done, size - done, clear, run, gather);
  }
  return {size, {}};
}

// Looks at what one entry above level 3 covers, or at the pages up to the end of one table.
template <class F, bool coherent>
std::uint64_t Table<F, coherent>::dirty_some(std::uint64_t iova, std::uint64_t left, Clear clear, DirtyRun& run,
                                             Gather& gather) {
  Word* at = tree_.first(iova);
  unsigned shift = tree_.root_shift();
  while (shift != F::page_shift) {
    const auto d = at->load(base::Order::acquire);
    if (!F::is_table(d)) {
      break;
    }
    shift -= F::stride;
    at = tree_.next(d, iova, shift);
  }
  const std::uint64_t span = std::uint64_t{1} << shift;
  const std::uint64_t rest = span - (iova & (span - 1));
  const std::uint64_t here = left < rest ? left : rest;
  const std::uint64_t count = shift == F::page_shift ? pages_here(iova, left) : 1;
  const std::uint64_t each = shift == F::page_shift ? F::page_size : here;
  for (std::uint64_t i = 0; i < count; ++i) {
    const bool clears = clear == Clear::yes && each == span;
    if (take_dirty(at[i], clears)) {
      run.add(iova + i * each, each);
      if (clears) {
        add_leaves(gather, iova + i * each, each, shift);
      }
    }
  }
  return count * each;
}

template <class F, bool coherent>
bool Table<F, coherent>::take_dirty(Word& at, bool clears) {
  std::uint64_t d = at.load(base::Order::relaxed);
  const bool was = F::dirty(d);
  // Fails only when another thread has cleaned or unmapped it: it was dirty all the same.
  while (clears && F::dirty(d) && !at.compare_exchange(d, F::cleaned(d), base::Order::acq_rel)) {
  }
  return was;
}

} // namespace sluice::pagetable

#include <sluice/model/tlb.hpp>

#include <algorithm>
#include <bit>

namespace sluice::model {

void Tlb::insert(const TlbEntry& entry) {
  if (entry.transient()) {
    return;
  }
  leaf_sizes_ |= 1ULL << entry.leaf_log2();
  const std::size_t at = entry_slot(entry.context(), entry.page());
  entries_[at] = entry;
  block_ = entry.span_log2() > 12 ? at : block_;
}

void Tlb::spread(Choices& choices) {
  TlbEntry e = entries_[block_];
  if (e.context() == 0 || e.span_log2() <= 12) {
    return;
  }
  const std::uint64_t within = mask_below(e.span_log2()) & ~mask_below(12);
  const std::uint64_t other = choices.next() & within;
  e.tag = TlbEntry::make_tag(e.context(), (e.page() & ~(within >> 12)) | other >> 12);
  e.where = (e.where & ~within) | other;
  e.ipa = (e.ipa & ~within) | other;
  insert(e);
}

const WalkEntry* Tlb::find_walk(std::uint32_t context, std::uint64_t page, unsigned span) const {
  const std::uint64_t first = page & ~mask_below(span - 12);
  const WalkEntry& e = walks_[walk_slot(context, first, span)];
  return e.tag == TlbEntry::make_tag(context, first) && e.span == span ? &e : nullptr;
}

void Tlb::insert_walk(const WalkEntry& entry) {
  spans_ |= 1ULL << entry.span;
  const auto context = static_cast<std::uint32_t>(entry.tag >> 44);
  walks_[walk_slot(context, entry.tag & mask_below(44), entry.span)] = entry;
}

namespace {

struct Pages {
  std::uint64_t first;
  std::uint64_t last;

  // All pieces of the 2^log2-byte units that hold a page of these.
  Pages widened(unsigned log2) const {
    const std::uint64_t low = mask_below(log2 - 12);
    return {first & ~low, last | low};
  }
  bool hold(std::uint64_t page) const { return page >= first && page <= last; }
};

// Calls `at` for each unit of the pages, or false where that would be more work than looking at everything.
template <class At>
bool each_unit(const Pages& pages, unsigned log2, std::size_t limit, At at) {
  const std::uint64_t step = 1ULL << (log2 - 12);
  if ((pages.last - pages.first) / step >= limit) {
    return false;
  }
  for (std::uint64_t page = pages.first; page <= pages.last; page += step) {
    at(page);
  }
  return true;
}

template <class Do>
void each_bit(std::uint64_t set, Do action) {
  for (; set != 0; set &= set - 1) {
    action(static_cast<unsigned>(std::countr_zero(set)));
  }
}

} // namespace

void Tlb::invalidate(std::uint32_t context, const frame::AddressRange& range) {
  // An address without its top byte: a range over the end of the space stops there.
  Pages pages{page_of(range.first), page_of(range.last)};
  if (pages.last < pages.first || range.last - range.first >= 1ULL << 55) {
    pages = {0, mask_below(44)};
  }

  each_bit(leaf_sizes_, [&](unsigned log2) {
    const Pages pieces = pages.widened(log2);
    const auto drop = [&](TlbEntry& e) {
      if (e.context() == context && e.leaf_log2() == log2 && pieces.hold(e.page()) &&
          (!range.granule || *range.granule == e.granule()) && (range.level == 0 || range.level == e.level())) {
        e = {};
      }
    };
    const auto probe = [&](std::uint64_t page) { drop(entries_[entry_slot(context, page)]); };
    if (!each_unit(pieces, 12, entries().size(), probe)) {
      std::ranges::for_each(entries(), drop);
    }
  });
  if (range.leaf) {
    return;
  }
  each_bit(spans_, [&](unsigned log2) {
    const Pages tables = pages.widened(log2);
    const auto drop = [&](WalkEntry& e) {
      if (e.tag >> 44 == context && e.span == log2 && tables.hold(e.tag & mask_below(44)) &&
          (!range.granule || *range.granule == e.granule)) {
        e = {};
      }
    };
    const auto probe = [&](std::uint64_t page) { drop(walks_[walk_slot(context, page, log2)]); };
    if (!each_unit(tables, log2, walks().size(), probe)) {
      std::ranges::for_each(walks(), drop);
    }
  });
}

void Tlb::lose_something(Choices& choices) {
  const auto drop_one = [&](auto all) {
    const std::size_t from = choices.below(all.size());
    for (std::size_t n = 0; n < std::min<std::size_t>(all.size(), 4096); ++n) {
      auto& e = all[(from + n) & (all.size() - 1)];
      if (e.tag != 0) {
        e = {};
        return;
      }
    }
  };
  drop_one(entries());
  drop_one(walks());
}

void Tlb::clear() {
  if (leaf_sizes_ != 0) {
    std::ranges::fill(entries(), TlbEntry{});
  }
  if (spans_ != 0) {
    std::ranges::fill(walks(), WalkEntry{});
  }
  leaf_sizes_ = 0;
  spans_ = 0;
  has_globals_ = false;
}

} // namespace sluice::model

#include <sluice/driver/paging_domain.hpp>

#include <sluice/arch/geometry.hpp>

// 3.21.1.3: with BBML 2 leaves change their size under traffic. All that walks a table of ours is one SMMU.
namespace sluice::driver {

using base::Errc;
using base::Progress;
using base::Status;

// A map that has begun before may still use a block: it has ended when the blocks are looked for.
Status PagingDomain::split_all() {
  table_->use_blocks(false);
  parts_.platform.sync.reclaim();
  pagetable::Gather gather;
  Progress progress;
  bool anybody = false;
  {
    const platform::ReadSection section{parts_.platform.sync};
    progress = table_->split(0, geometry().last + 1, gather);
    anybody = heard_by_anybody(gather);
  }
  const Status done = finish(progress, gather, anybody).status;
  if (!done) {
    table_->use_blocks(true);
  }
  if (done == Errc::no_memory) {
    static_cast<void>(merge_pages()); // of what has been split
  }
  return done;
}

Status PagingDomain::merge_pages() {
  if (!table_->config().resizes) {
    return Errc::unsupported;
  }
  const arch::Granule granule = table_->config().granule;
  for (int level = arch::last_level - 1; level >= 0; --level) {
    if ((geometry().page_sizes & arch::level_size(granule, level)) != 0) {
      if (const Status merged = merge_level(level); !merged) {
        return merged;
      }
    }
  }
  return {};
}

// As many at a time as a gather holds.
Status PagingDomain::merge_level(int level) {
  const std::uint64_t size = geometry().last + 1;
  for (std::uint64_t done = 0; done < size;) {
    pagetable::Gather gather;
    const auto merged = table_->merge(done, size - done, level, gather);
    bool anybody = false;
    {
      const platform::ReadSection section{parts_.platform.sync};
      anybody = heard_by_anybody(gather);
    }
    if (const Status told = finish({}, gather, anybody).status; !told) {
      return told;
    }
    if (!merged) {
      return {}; // no memory for the note of it, or another thread is at it: smaller pages do no harm
    }
    done += merged.done;
  }
  return {};
}

} // namespace sluice::driver

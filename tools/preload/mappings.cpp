#include "mappings.hpp"

#include "process.hpp"

#include <algorithm>
#include <sys/mman.h>
#include <vector>

namespace sluice::preload {

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t whole_pages(std::uint64_t length) { return (length + page - 1) / page * page; }

} // namespace

// In a child nothing is ours, and what it unmaps is its own copy.
bool Mappings::in_owner() const { return owner_.load(std::memory_order_relaxed) == getpid(); }

bool Mappings::touches(std::uint64_t start, std::uint64_t length) const {
  auto at = ranges_.upper_bound(start);
  if (at != ranges_.begin() && std::prev(at)->second.end > start) {
    return true;
  }
  return at != ranges_.end() && at->first - start < length;
}

void Mappings::put_in(std::uint64_t start, std::uint64_t end, std::shared_ptr<void> keep) {
  if (start < end) {
    if (machine::Host* const h = host()) {
      h->device_ranges().add(start, end - start);
    }
    ranges_[start] = {end, std::move(keep)};
  }
}

// What is left of a range on either side stays.
void Mappings::take_out(std::uint64_t start, std::uint64_t length, std::map<std::uint64_t, Range>& gone) {
  const std::uint64_t end = start + whole_pages(length);
  std::vector<std::uint64_t> met;
  for (const auto& [first, range] : ranges_) {
    if (first < end && range.end > start) {
      met.push_back(first);
    }
  }
  for (const std::uint64_t first : met) {
    auto node = ranges_.extract(first);
    if (machine::Host* const h = host()) {
      h->device_ranges().remove(first);
    }
    Range& range = node.mapped();
    put_in(first, std::min(range.end, start), range.keep);
    put_in(std::max(first, end), range.end, range.keep);
    gone[first] = std::move(range);
  }
}

// Two steps: a place as the program wants it, which nothing else can take, and in it a second mapping of the memory.
std::intptr_t Mappings::map(const MapRequest& request, void* at, int flags, const Shown& shown) {
  const std::uint64_t length = whole_pages(request.size);
  std::map<std::uint64_t, Range> gone; // ends after the lock
  const std::lock_guard guard{mutex_};
  owner_.store(getpid(), std::memory_order_relaxed);
  there_has_been_one.store(true, std::memory_order_relaxed);
  const int as_wanted = (flags & ~MAP_TYPE) | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const std::intptr_t place = kernel(SYS_mmap, at, length, PROT_NONE, as_wanted, -1, 0);
  if (place < 0 && place >= -4095) {
    return place;
  }
  const auto start = static_cast<std::uint64_t>(place);
  take_out(start, length, gone); // with MAP_FIXED
  const std::intptr_t shows = kernel(SYS_mremap, shown.memory, 0, length, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  const std::intptr_t allowed = shows == place ? kernel(SYS_mprotect, place, length, request.protection) : shows;
  if (allowed != 0) {
    kernel(SYS_munmap, place, length);
    return allowed;
  }
  put_in(start, start + length, shown.keep);
  return place;
}

std::intptr_t Mappings::remap(std::uint64_t start, std::uint64_t length, std::uint64_t next_length, int flags,
                              void* next) {
  const auto call = [&] { return kernel(SYS_mremap, start, length, next_length, flags, next); };
  if (!in_owner()) {
    return call();
  }
  std::map<std::uint64_t, Range> gone; // ends after the lock
  const std::lock_guard guard{mutex_};
  const bool ours = touches(start, std::max<std::uint64_t>(length, 1));
  if (ours && (length == 0 || next_length > length || (flags & MREMAP_DONTUNMAP) != 0)) {
    return next_length > length && length != 0 ? -EFAULT : -EINVAL;
  }
  const std::intptr_t result = call();
  if (result < 0 && result >= -4095) {
    return result;
  }
  if ((flags & MREMAP_FIXED) != 0) {
    take_out(static_cast<std::uint64_t>(result), next_length, gone);
  }
  std::map<std::uint64_t, Range> moved;
  if (ours) {
    take_out(start, length, moved);
    if (!moved.empty()) {
      const auto to = static_cast<std::uint64_t>(result);
      put_in(to, to + whole_pages(next_length), moved.begin()->second.keep);
    }
  }
  gone.merge(moved);
  return result;
}

void Mappings::forget_all() {
  std::map<std::uint64_t, Range> gone; // ends after the lock
  const std::lock_guard guard{mutex_};
  take_out(0, ~0ULL - page, gone);
}

// Never destroyed: memory is unmapped until the process ends.
Mappings& mappings() {
  static auto* const all = new Mappings;
  return *all;
}

} // namespace sluice::preload

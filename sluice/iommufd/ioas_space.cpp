#include <sluice/iommufd/ioas.hpp>

#include <algorithm>
#include <bit>
#include <limits>

// Which IOVAs of an address space may be mapped, and which of them a mapping gets.
namespace sluice::iommufd {

using base::Errc;

namespace {
constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();

constexpr bool aligned(std::uint64_t value, std::uint64_t to) { return value % to == 0; }
} // namespace

base::Status Ioas::reserve(std::span<const Range> ranges, const void* owner) {
  for (const Range& range : ranges) {
    const bool allowed = std::any_of(allowed_.begin(), allowed_.end(), [&](const Range& r) { return r.meets(range); });
    if (area_in(range) || allowed) {
      return Errc::reserved_range;
    }
  }
  reserved_.reserve(reserved_.size() + ranges.size());
  for (const Range& range : ranges) {
    reserved_.push_back({range, owner});
  }
  return {};
}

void Ioas::unreserve(const void* owner) {
  std::erase_if(reserved_, [&](const Reserved& r) { return r.owner == owner; });
}

base::Status Ioas::allow(std::vector<Range> ranges) {
  if (std::any_of(ranges.begin(), ranges.end(), [&](const Range& r) { return reserved_in(r); })) {
    return Errc::reserved_range;
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.start < b.start; });
  allowed_ = std::move(ranges);
  return {};
}

std::vector<Range> Ioas::usable() const {
  std::vector<Range> taken;
  for (const Reserved& r : reserved_) {
    taken.push_back(r.range);
  }
  std::sort(taken.begin(), taken.end(), [](const Range& a, const Range& b) { return a.start < b.start; });
  std::vector<Range> free;
  std::uint64_t next = 0;
  for (const Range& r : taken) {
    if (r.start > next) {
      free.push_back({next, r.start - 1});
    }
    if (r.last == top) {
      return free;
    }
    next = std::max(next, r.last + 1);
  }
  free.push_back({next, top});
  return free;
}

base::Result<std::uint64_t> Ioas::place(const Backing& backing, std::uint64_t offset, const Request& request) const {
  const std::uint64_t start = backing.start() + offset;
  if (request.length == 0) {
    return Errc::invalid_argument;
  }
  std::uint64_t iova = request.iova;
  if (request.fixed) {
    std::uint64_t last{};
    if (!aligned(request.length, alignment_) || !aligned(iova, alignment_)) {
      return Errc::invalid_argument;
    }
    if (__builtin_add_overflow(iova, request.length - 1, &last)) {
      return Errc::overflow;
    }
    if (reserved_in({iova, last})) {
      return Errc::invalid_argument;
    }
    if (area_in({iova, last})) {
      return Errc::already_exists;
    }
  } else {
    const auto chosen = choose(start, request.length);
    if (!chosen) {
      return chosen.error();
    }
    iova = *chosen;
  }
  if (!aligned(start % page_size, alignment_)) {
    return Errc::invalid_argument;
  }
  return iova;
}

// First fit, ascending from the second page; as aligned as the memory, so that large pages can be used. The bits within
// the page are those of the memory.
base::Result<std::uint64_t> Ioas::choose(std::uint64_t start, std::uint64_t length) const {
  if (length >= top / 2) {
    return Errc::overflow;
  }
  const std::uint64_t in_page = start % page_size;
  const std::uint64_t by_length = std::bit_ceil(length);
  const std::uint64_t by_start = start == 0 ? huge_page_size : start & (~start + 1);
  const std::uint64_t align = std::max(std::min({by_length, by_start, huge_page_size}), std::uint64_t{1});
  if (align < alignment_ || !aligned(length, alignment_)) {
    return Errc::invalid_argument;
  }
  const std::uint64_t step = std::max(align, page_size);
  // What is allowed is never reserved.
  for (const Range& range : allowed_.empty() ? usable() : allowed_) {
    std::uint64_t at = std::max(range.start, page_size);
    while (at < top - 2 * huge_page_size) {
      at = (at + step - 1) / step * step + in_page;
      const std::uint64_t last = at + length - 1;
      if (last < at || last > std::min(range.last, top - page_size)) {
        break;
      }
      const auto next = areas_.upper_bound(last);
      if (next == areas_.begin() || std::prev(next)->second.last < at) {
        return at;
      }
      at = std::prev(next)->second.last + 1;
    }
  }
  return Errc::no_space;
}

} // namespace sluice::iommufd

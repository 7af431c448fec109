#include <sluice/iommufd/ioas.hpp>

#include <algorithm>
#include <bit>
#include <limits>

namespace sluice::iommufd {

using base::Errc;

namespace {
constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();

constexpr bool aligned(std::uint64_t value, std::uint64_t to) { return value % to == 0; }
} // namespace

Ioas::Areas::const_iterator Ioas::area_at(std::uint64_t iova) const {
  auto it = areas_.upper_bound(iova);
  if (it == areas_.begin()) {
    return areas_.end();
  }
  --it;
  return it->second.last >= iova ? it : areas_.end();
}

bool Ioas::area_in(const Range& range) const {
  const auto it = areas_.lower_bound(range.start);
  return (it != areas_.end() && it->first <= range.last) || area_at(range.start) != areas_.end();
}

bool Ioas::reserved_in(const Range& range) const {
  return std::any_of(reserved_.begin(), reserved_.end(), [&](const Reserved& r) { return r.range.meets(range); });
}

base::Status Ioas::put(iommu::Domain& domain, std::uint64_t iova, const Area& area) {
  const auto address = area.backing->pin(iova - area.offset);
  if (!address) {
    return address.error();
  }
  const std::uint64_t length = area.last - iova + 1;
  const auto made = domain.map(iova, *address + area.offset, length, area.prot);
  if (!made) {
    if (made.done != 0) {
      static_cast<void>(domain.unmap(iova, made.done));
    }
    return made.error();
  }
  return {};
}

void Ioas::take(iommu::Domain& domain, std::uint64_t iova, const Area& area) {
  if (!domain.unmap(iova, area.last - iova + 1)) {
    area.backing->abandon();
  }
}

void Ioas::erase(Areas::iterator at) {
  for (iommu::Domain* domain : domains_) {
    take(*domain, at->first, at->second);
  }
  areas_.erase(at);
}

base::Result<std::uint64_t> Ioas::map(std::shared_ptr<Backing> backing, std::uint64_t offset, const Request& request) {
  const auto iova = place(*backing, offset, request);
  if (!iova) {
    return iova.error();
  }
  const iommu::Prot prot{.read = request.read, .write = request.write, .execute = request.read};
  const Area area{*iova + request.length - 1, std::move(backing), offset, prot};
  for (std::size_t i = 0; i < domains_.size(); ++i) {
    if (auto status = put(*domains_[i], *iova, area); !status) {
      while (i-- > 0) {
        take(*domains_[i], *iova, area);
      }
      return status.error();
    }
  }
  areas_.emplace(*iova, area);
  return *iova;
}

base::Result<std::uint64_t> Ioas::copy(const Ioas& source, std::uint64_t from, const Request& request) {
  if (request.length == 0) {
    return Errc::invalid_argument;
  }
  std::uint64_t last{};
  if (__builtin_add_overflow(from, request.length - 1, &last)) {
    return Errc::overflow;
  }
  struct Piece {
    std::shared_ptr<Backing> backing;
    std::uint64_t offset;
    std::uint64_t length;
  };
  std::vector<Piece> pieces;
  for (std::uint64_t at = from;;) {
    const auto area = source.area_at(at);
    if (area == source.areas_.end()) {
      return Errc::not_found;
    }
    if (request.write && !area->second.backing->writable()) {
      return Errc::not_permitted;
    }
    const std::uint64_t end = std::min(last, area->second.last);
    pieces.push_back({area->second.backing, area->second.offset + (at - area->first), end - at + 1});
    if (end == last) {
      break;
    }
    at = end + 1;
  }
  const auto first = place(*pieces.front().backing, pieces.front().offset, request);
  if (!first) {
    return first.error();
  }
  std::uint64_t iova = *first;
  for (const Piece& piece : pieces) {
    Request one = request;
    one.fixed = true;
    one.iova = iova;
    one.length = piece.length;
    if (auto made = map(piece.backing, piece.offset, one); !made) {
      if (iova != *first) {
        static_cast<void>(unmap({*first, iova - 1}));
      }
      return made.error();
    }
    iova += piece.length;
  }
  return *first;
}

base::Result<std::uint64_t> Ioas::unmap(Range range) {
  std::uint64_t removed = 0;
  auto it = areas_.lower_bound(range.start);
  if (it != areas_.begin() && std::prev(it)->second.last >= range.start) {
    return Errc::not_found;
  }
  while (it != areas_.end() && it->first <= range.last) {
    if (it->second.last > range.last) {
      return Errc::not_found;
    }
    removed += it->second.last - it->first + 1;
    erase(it++);
  }
  if (removed == 0) {
    return Errc::not_found;
  }
  return removed;
}

std::uint64_t Ioas::unmap_all() {
  std::uint64_t removed = 0;
  while (!areas_.empty()) {
    removed += areas_.begin()->second.last - areas_.begin()->first + 1;
    erase(areas_.begin());
  }
  return removed;
}

base::Status Ioas::add_domain(iommu::Domain& domain) {
  const iommu::Geometry& geometry = domain.geometry();
  const std::uint64_t page = geometry.page();
  if (page > page_size) {
    return Errc::invalid_argument;
  }
  for (const auto& [iova, area] : areas_) {
    const bool fits =
        aligned(iova, page) && aligned(area.last + 1, page) && aligned(area.backing->start() + area.offset, page);
    if (!fits || iova < geometry.first || area.last > geometry.last) {
      return Errc::reserved_range;
    }
  }
  for (auto it = areas_.begin(); it != areas_.end(); ++it) {
    if (auto status = put(domain, it->first, it->second); !status) {
      while (it != areas_.begin()) {
        --it;
        take(domain, it->first, it->second);
      }
      return status.error();
    }
  }
  domains_.push_back(&domain);
  if (geometry.first > 0) {
    reserved_.push_back({{0, geometry.first - 1}, &domain});
  }
  if (geometry.last < top) {
    reserved_.push_back({{geometry.last + 1, top}, &domain});
  }
  recompute_alignment();
  return {};
}

void Ioas::remove_domain(iommu::Domain& domain) {
  for (const auto& [iova, area] : areas_) {
    take(domain, iova, area);
  }
  std::erase(domains_, &domain);
  unreserve(&domain);
  recompute_alignment();
}

void Ioas::recompute_alignment() {
  alignment_ = 1;
  for (const iommu::Domain* domain : domains_) {
    alignment_ = std::max(alignment_, domain->geometry().page());
  }
}

base::Status Ioas::reserve(Range range, const void* owner) {
  if (area_in(range)) {
    return Errc::reserved_range;
  }
  reserved_.push_back({range, owner});
  return {};
}

void Ioas::unreserve(const void* owner) {
  std::erase_if(reserved_, [&](const Reserved& r) { return r.owner == owner; });
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
  for (const Range& range : usable()) {
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

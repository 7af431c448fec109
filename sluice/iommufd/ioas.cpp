#include <sluice/iommu/unit.hpp>
#include <sluice/iommufd/ioas.hpp>
#include <sluice/iommufd/undo.hpp>

#include <algorithm>
#include <limits>

namespace sluice::iommufd {

using base::Errc;

namespace {
constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();

constexpr bool aligned(std::uint64_t value, std::uint64_t to) { return value % to == 0; }

bool fits_larger_page(const iommu::Geometry& geometry, std::uint64_t iova, std::uint64_t address) {
  const std::uint64_t larger = geometry.page_sizes & ~(2 * page_size - 1);
  const std::uint64_t next = larger & (~larger + 1);
  return larger != 0 && aligned(iova ^ address, next);
}

// All of it, or nothing.
base::Status map_in_steps(iommu::Domain& domain, const Range& range, std::uint64_t address, std::uint64_t step,
                          iommu::Prot prot) {
  const std::uint64_t length = range.last - range.start + 1;
  for (std::uint64_t at = 0; at < length; at += step) {
    const auto made = domain.map(range.start + at, address + at, step, prot);
    if (!made) {
      if (at + made.done != 0) {
        static_cast<void>(domain.unmap(range.start, at + made.done));
      }
      return made.error();
    }
  }
  return {};
}
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

base::Status Ioas::put(iommu::Domain& domain, std::uint64_t iova, const Area& area) const {
  // Where large pages are not wanted the window is wanted a page off, so that they do not fit.
  const auto window = area.backing->pin(iova - area.offset + (huge_pages_ ? 0 : page_size));
  if (!window) {
    return window.error();
  }
  const std::uint64_t address = *window + area.offset;
  const std::uint64_t length = area.last - iova + 1;
  const std::uint64_t step = huge_pages_ || !fits_larger_page(domain.geometry(), iova, address) ? length : page_size;
  Undo unpin{[&] { area.backing->unpin(); }};
  auto status = map_in_steps(domain, {iova, area.last}, address, step, area.prot);
  if (status == Errc::no_memory) { // tables that unmaps have given up are free when enough of them have come together
    domain.unit().platform().sync.reclaim();
    status = map_in_steps(domain, {iova, area.last}, address, step, area.prot);
  }
  if (status) {
    unpin.keep();
  }
  return status;
}

void Ioas::take(iommu::Domain& domain, std::uint64_t iova, const Area& area) {
  if (!domain.unmap(iova, area.last - iova + 1)) {
    area.backing->abandon();
  }
  area.backing->unpin();
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
  const auto at = areas_.emplace(*iova, Area{*iova + request.length - 1, std::move(backing), offset, prot}).first;
  std::size_t put_into = 0;
  Undo undo{[&] {
    while (put_into-- > 0) {
      take(*domains_[put_into], at->first, at->second);
    }
    areas_.erase(at);
  }};
  for (; put_into < domains_.size(); ++put_into) {
    if (auto status = put(*domains_[put_into], at->first, at->second); !status) {
      return status.error();
    }
  }
  undo.keep();
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
  Undo undo{[&] {
    if (iova != *first) {
      static_cast<void>(unmap({*first, iova - 1}));
    }
  }};
  for (const Piece& piece : pieces) {
    Request one = request;
    one.fixed = true;
    one.iova = iova;
    one.length = piece.length;
    if (auto made = map(piece.backing, piece.offset, one); !made) {
      return made.error();
    }
    iova += piece.length;
  }
  undo.keep();
  return *first;
}

base::Result<Ioas::Unmapped> Ioas::unmap_unpinned(Range range) {
  Unmapped done;
  auto it = areas_.lower_bound(range.start);
  if (it != areas_.begin() && std::prev(it)->second.last >= range.start) {
    return Errc::not_found;
  }
  while (it != areas_.end() && it->first <= range.last) {
    auto& [start, area] = *it;
    if (area.locks != 0) {
      return Errc::busy;
    }
    if (area.last > range.last) {
      return Errc::not_found;
    }
    if (area.pins != 0) {
      area.closing = true;
      done.pinned = {start, area.last};
      return done;
    }
    done.bytes += area.last - start + 1;
    erase(it++);
  }
  return done;
}

base::Result<std::uint64_t> Ioas::unmap(Range range) {
  const auto done = unmap_unpinned(range);
  return done ? done->bytes : base::Result<std::uint64_t>{done.error()};
}

base::Status Ioas::add_domain(iommu::Domain& domain) {
  const iommu::Geometry& geometry = domain.geometry();
  const std::uint64_t page = geometry.page();
  if (page > page_size) {
    return Errc::invalid_argument;
  }
  const auto beyond = [&](const Range& range) { return range.start < geometry.first || range.last > geometry.last; };
  if (!areas_fit(page) || std::any_of(allowed_.begin(), allowed_.end(), beyond) ||
      std::any_of(areas_.begin(), areas_.end(), [&](const auto& a) {
        return beyond({a.first, a.second.last});
      })) {
    return Errc::reserved_range;
  }
  domains_.reserve(domains_.size() + 1);
  reserved_.reserve(reserved_.size() + 2);
  auto it = areas_.begin();
  Undo undo{[&] {
    while (it != areas_.begin()) {
      --it;
      take(domain, it->first, it->second);
    }
  }};
  for (; it != areas_.end(); ++it) {
    if (auto status = put(domain, it->first, it->second); !status) {
      return status;
    }
  }
  undo.keep();
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
  alignment_ = huge_pages_ && !any_access_pins() ? 1 : page_size;
  for (const iommu::Domain* domain : domains_) {
    alignment_ = std::max(alignment_, domain->geometry().page());
  }
}

bool Ioas::areas_fit(std::uint64_t alignment) const {
  return std::all_of(areas_.begin(), areas_.end(), [&](const auto& entry) {
    const auto& [iova, area] = entry;
    return aligned(iova, alignment) && aligned(area.last + 1, alignment) &&
           aligned(area.backing->start() + area.offset, alignment);
  });
}

base::Status Ioas::set_huge_pages(bool wanted) {
  if (!wanted && huge_pages_) {
    if (!domains_.empty() && !areas_.empty()) {
      return Errc::invalid_argument;
    }
    if (!areas_fit(page_size)) {
      return Errc::reserved_range;
    }
  }
  huge_pages_ = wanted;
  recompute_alignment();
  return {};
}

bool Ioas::only_files() const {
  return std::all_of(areas_.begin(), areas_.end(), [](const auto& entry) { return entry.second.backing->is_file(); });
}

} // namespace sluice::iommufd

#include <sluice/iommufd/access.hpp>
#include <sluice/iommufd/undo.hpp>

#include <algorithm>

// What accesses do to an address space.
namespace sluice::iommufd {

using base::Errc;
using base::Status;

Status Ioas::add_access(Access& access) {
  if (access.pins() && !areas_fit(page_size)) {
    return Errc::reserved_range;
  }
  accesses_.push_back(&access);
  recompute_alignment();
  return {};
}

void Ioas::remove_access(Access& access) {
  std::erase(accesses_, &access);
  recompute_alignment();
}

bool Ioas::any_access_pins() const {
  return std::any_of(accesses_.begin(), accesses_.end(), [](const Access* a) { return a->pins(); });
}

// The parts of the areas that a range consists of. Errors: not_found (a gap).
template <class F>
Status Ioas::for_each_whole(Range range, F f) {
  for (std::uint64_t at = range.start;;) {
    const auto found = area_at(at);
    if (found == areas_.end()) {
      return Errc::not_found;
    }
    const Range part{at, std::min(range.last, found->second.last)};
    if (auto status = f(part, areas_.find(found->first)->second, at - found->first); !status) {
      return status;
    }
    if (part.last == range.last) {
      return {};
    }
    at = part.last + 1;
  }
}

Status Ioas::pin(Range range, const Access& access, bool write, std::span<std::uint64_t> pages) {
  Range done{range.start, range.start - 1};
  Undo undo{[&] {
    if (done.last + 1 != range.start) {
      unpin(done, access);
    }
  }};
  auto status = for_each_whole(range, [&](Range part, Area& area, std::uint64_t offset) -> Status {
    const std::uint64_t start = area.offset + offset;
    const bool ends_inside =
        part.last != range.last && (area.backing->start() + start + (part.last - part.start) + 1) % page_size != 0;
    if (area.closing || (area.backing->start() + start) % page_size != 0 || ends_inside) {
      return Errc::invalid_argument;
    }
    if (write && !area.backing->writable()) {
      return Errc::not_permitted;
    }
    const auto address = area.backing->pin(part.start - start);
    if (!address) {
      return address.error();
    }
    for (std::uint64_t at = 0; at <= part.last - part.start; at += page_size) {
      pages[(part.start - range.start + at) / page_size] = *address + start + at;
    }
    ++(access.user() != nullptr ? area.pins : area.locks);
    done.last = part.last;
    return {};
  });
  if (status) {
    undo.keep();
  }
  return status;
}

void Ioas::unpin(Range range, const Access& access) {
  static_cast<void>(for_each_whole(range, [&](Range, Area& area, std::uint64_t) -> Status {
    --(access.user() != nullptr ? area.pins : area.locks);
    area.backing->unpin();
    return {};
  }));
}

Status Ioas::read(std::uint64_t iova, std::span<std::byte> into) {
  return for_each_whole({iova, iova + into.size() - 1}, [&](Range part, Area& area, std::uint64_t offset) -> Status {
    const auto piece = into.subspan(part.start - iova, part.last - part.start + 1);
    return area.prot.read
               ? with_window(area, part.start - offset, [&] { return area.backing->read(area.offset + offset, piece); })
               : Status{Errc::not_permitted};
  });
}

Status Ioas::write(std::uint64_t iova, std::span<const std::byte> from) {
  return for_each_whole({iova, iova + from.size() - 1}, [&](Range part, Area& area, std::uint64_t offset) -> Status {
    const auto piece = from.subspan(part.start - iova, part.last - part.start + 1);
    return area.prot.write ? with_window(area, part.start - offset,
                                         [&] { return area.backing->write(area.offset + offset, piece); })
                           : Status{Errc::not_permitted};
  });
}

// Pinned for as long as it takes.
template <class F>
Status Ioas::with_window(Area& area, std::uint64_t iova, F f) {
  if (area.closing) {
    return Errc::invalid_argument;
  }
  const auto pinned = area.backing->pin(iova - area.offset);
  if (!pinned) {
    return pinned.error();
  }
  const Undo unpin{[&] { area.backing->unpin(); }};
  return f();
}

} // namespace sluice::iommufd

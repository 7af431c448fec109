#include <sluice/iommufd/hwpt.hpp>

#include <sluice/iommufd/device.hpp>

#include <algorithm>
#include <array>
#include <functional>

// Dirty tracking, and what of it goes into a caller's bitmap.
namespace sluice::iommufd {

using base::Errc;
using base::Status;

namespace {

// Whether all of a caller's bytes are there for reading and writing.
Status probe(Caller& caller, std::uint64_t pointer, std::uint64_t count) {
  for (std::uint64_t at = 0; at < count;) {
    std::array<std::byte, 1> one;
    auto status = caller.read(pointer + at, one);
    if (status) {
      status = caller.write(pointer + at, one);
    }
    if (!status) {
      return status;
    }
    const std::uint64_t next_page = page_size - (pointer + at) % page_size;
    at = at + 1 < count ? std::min(at + next_page, count - 1) : count;
  }
  return {};
}

Status add_bits(Caller& caller, std::uint64_t pointer, std::span<const std::byte> bits) {
  std::array<std::byte, page_size> piece;
  for (std::size_t at = 0; at < bits.size(); at += piece.size()) {
    const auto ours = bits.subspan(at, std::min(piece.size(), bits.size() - at));
    if (std::all_of(ours.begin(), ours.end(), [](std::byte b) { return b == std::byte{}; })) {
      continue;
    }
    const auto theirs = std::span{piece}.first(ours.size());
    auto status = caller.read(pointer + at, theirs);
    std::transform(ours.begin(), ours.end(), theirs.begin(), theirs.begin(), std::bit_or{});
    if (status) {
      status = caller.write(pointer + at, theirs);
    }
    if (!status) {
      return status;
    }
  }
  return {};
}

} // namespace

Status HwptPaging::set_dirty_tracking(bool on) {
  if (!options_.dirty) {
    return Errc::unsupported;
  }
  auto status = domain().set_dirty_tracking(on);
  if (status && on) {
    untold_.clear();
  }
  return status;
}

// Where nothing is mapped the caller's bitmap is not looked at.
Status HwptPaging::read_dirty(Caller& caller, const DirtyRequest& request) {
  if (!options_.dirty) {
    return Errc::unsupported;
  }
  return ioas().for_each_part({request.iova, request.last},
                              [&](Range part) { return read_dirty_part(caller, request, part); });
}

// Nothing is cleared in the tables before the caller's memory has been seen to be there. Should it go meanwhile, all of
// the part counts as dirty until it has been told.
Status HwptPaging::read_dirty_part(Caller& caller, const DirtyRequest& request, Range part) {
  const std::uint64_t first = ((part.start - request.iova) >> request.shift) / 8;
  const std::uint64_t count = ((part.last - request.iova) >> request.shift) / 8 - first + 1;
  if (auto status = probe(caller, request.bitmap + first, count); !status) {
    return status;
  }
  std::vector<std::uint64_t> words(count / 8 + 1);
  untold_.reserve(untold_.size() + 1);
  iommu::DirtyBitmap bits{request.iova + (first * 8 << request.shift), request.shift, words};
  const auto clear = request.clear ? iommu::Clear::yes : iommu::Clear::no;
  const auto read = domain().read_dirty(part.start, part.last - part.start + 1, clear, bits);
  if (read.status == Errc::busy) {
    return {}; // tracking is off: nothing is known to be dirty
  }
  for (const Range& range : untold_) {
    if (range.meets(part)) {
      const std::uint64_t start = std::max(range.start, part.start);
      bits.dirty(start, std::min(range.last, part.last) - start + 1);
    }
  }
  auto status = add_bits(caller, request.bitmap + first, std::as_bytes(std::span{words}).first(count));
  if (request.clear) {
    if (!status) {
      for (const Range& r : untold_) {
        part = r.meets(part) ? Range{std::min(r.start, part.start), std::max(r.last, part.last)} : part;
      }
    }
    std::erase_if(untold_, [&](const Range& r) { return r.start >= part.start && r.last <= part.last; });
    if (!status) {
      untold_.push_back(part);
    }
  }
  return status ? read.status : status;
}

} // namespace sluice::iommufd

#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>

#include <algorithm>

// Reads, writes and mappings of a device's regions: a file offset is a region's number and an offset in it.
namespace sluice::vfio {

namespace config = pcie::config;
namespace u = uapi::vfio;
using base::Errc;
using base::Order;
using base::Status;
using platform::MutexGuard;

namespace {

constexpr std::uint64_t in_region = (1ULL << u::region_shift) - 1;

// The next piece of an access that the bus can carry at once.
std::uint64_t piece_size(std::uint64_t at, std::uint64_t count, std::uint64_t widest) {
  std::uint64_t size = widest;
  while (size > count || at % size != 0) {
    size /= 2;
  }
  return size;
}

} // namespace

std::int64_t File::pread(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) {
  return access({buffer, count, false}, offset);
}

std::int64_t File::pwrite(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) {
  return access({buffer, count, true}, offset);
}

std::int64_t File::access(const Access& access, std::uint64_t offset) {
  const Progress moved = access_region(access, offset);
  return moved ? static_cast<std::int64_t>(*moved) : -static_cast<std::int64_t>(uapi::to_errno(moved.error()));
}

File::Progress File::access_region(const Access& access, std::uint64_t offset) {
  if (!granted_.load(Order::acquire)) {
    return Errc::invalid_argument;
  }
  if (access.count == 0) {
    return 0;
  }
  const std::uint64_t region = offset >> u::region_shift;
  if (region >= u::region_count) {
    return Errc::invalid_argument;
  }
  cdev_.wake();
  if (region == u::region_config) {
    return access_config(access, offset & in_region);
  }
  return region < u::region_rom ? access_bar(access, static_cast<unsigned>(region), offset & in_region)
                                : Progress{Errc::invalid_argument};
}

File::Progress File::access_config(const Access& access, std::uint64_t at) {
  if (at >= ConfigView::bytes || access.count > ConfigView::bytes - at) {
    return Errc::bad_address;
  }
  for (std::uint64_t done = 0; done < access.count;) {
    const std::uint64_t size = piece_size(at + done, access.count - done, 4);
    if (auto status = move_config({access.buffer + done, size, access.write}, static_cast<std::uint16_t>(at + done));
        !status) {
      return status.error();
    }
    done += size;
  }
  return access.count;
}

Status File::move_config(const Access& piece, std::uint16_t at) {
  const auto size = static_cast<unsigned>(piece.count);
  std::uint32_t value = 0;
  if (!piece.write) {
    {
      const MutexGuard guard{cdev_.host_.sync, cdev_.view_mutex_};
      value = cdev_.view_.read(at, size);
    }
    return write(piece.buffer, value, size);
  }
  if (auto status = read(piece.buffer, value, size); !status) {
    return status;
  }
  const MutexGuard guard{cdev_.host_.sync, cdev_.view_mutex_};
  cdev_.view_.write(at, size, value);
  cdev_.memory_enabled_.store(cdev_.view_.memory_enabled(), Order::release);
  cdev_.interrupts_.set_disabled(cdev_.view_.interrupt_disabled());
  return {};
}

File::Progress File::access_bar(const Access& access, unsigned bar, std::uint64_t at) {
  const std::uint64_t end = cdev_.function_.bar_size(bar);
  if (at >= end) {
    return Errc::invalid_argument;
  }
  const std::uint64_t count = std::min(access.count, end - at);
  for (std::uint64_t done = 0; done < count;) {
    const std::uint64_t size = piece_size(at + done, count - done, 8);
    if (auto status = move_bar({access.buffer + done, size, access.write}, bar, at + done); !status) {
      return status.error();
    }
    done += size;
  }
  return count;
}

// The MSI-X table is the host's: it reads as ones, and writes to it are dropped.
Status File::move_bar(const Access& piece, unsigned bar, std::uint64_t at) {
  const auto size = static_cast<unsigned>(piece.count);
  const auto& msix = cdev_.interrupts_.msix();
  const bool hidden = msix && msix->bar == bar && at < msix->end() && at + size > msix->offset;
  std::uint64_t value = 0;
  if (piece.write) {
    if (auto status = read(piece.buffer, value, size); !status) {
      return status;
    }
  }
  if (!hidden && (!cdev_.memory_enabled_.load(Order::acquire) || cdev_.low_power_.load(Order::acquire))) {
    return Errc::io_error;
  }
  if (piece.write) {
    if (!hidden) {
      cdev_.function_.region_write(bar, at, size, value);
    }
    return {};
  }
  value = hidden ? ~0ULL : cdev_.function_.region_read(bar, at, size);
  return write(piece.buffer, value, size);
}

base::Result<BarMapping> File::map(std::uint64_t offset, std::uint64_t length) {
  constexpr std::uint64_t page = 4096;
  const std::uint64_t region = offset >> u::region_shift;
  const std::uint64_t at = offset & in_region;
  if (!granted_.load(Order::acquire) || region >= u::region_rom) {
    return Errc::invalid_argument;
  }
  const auto bar = static_cast<unsigned>(region);
  pcie::BarMemory* const memory = cdev_.function_.bar_memory(bar);
  if (memory == nullptr || at % page != 0 || length % page != 0 || length == 0 || at >= memory->size() ||
      length > memory->size() - at) {
    return Errc::invalid_argument;
  }
  return BarMapping{cdev_.function_, bar, memory->bytes().subspan(at, length)};
}

} // namespace sluice::vfio

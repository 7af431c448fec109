#include <sluice/base/check.hpp>
#include <sluice/hosted/store_buffer.hpp>

#include <algorithm>
#include <utility>

namespace sluice::hosted {

namespace {

std::uintptr_t number(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

bool holds(const StoreBuffer::Entry& earlier, const StoreBuffer::Entry& later) {
  if (later.after_all || earlier.fences < later.fences) {
    return true;
  }
  if (earlier.device() || later.device()) {
    return earlier.device() && later.device();
  }
  return earlier.touches(later.at, later.size);
}

} // namespace

bool StoreBuffer::Entry::touches(const void* other, std::size_t other_size) const {
  return number(at) < number(other) + other_size && number(other) < number(at) + size;
}

bool StoreBuffer::Entry::inside(const void* other, std::size_t other_size) const {
  return !device() && number(at) >= number(other) && number(at) + size <= number(other) + other_size;
}

const StoreBuffer::Entry& StoreBuffer::store(void* at, unsigned size, std::array<std::uint64_t, 2> value,
                                             std::memory_order order) {
  Entry entry;
  entry.serial = ++last_;
  entry.at = at;
  entry.size = size;
  entry.value = value;
  entry.fences = fences_;
  entry.seq_cst = order == std::memory_order_seq_cst;
  entry.after_all = entry.seq_cst || order == std::memory_order_release || order == std::memory_order_acq_rel;
  return entries_.emplace_back(std::move(entry));
}

const StoreBuffer::Entry& StoreBuffer::store_to_device(std::function<void()> write) {
  Entry entry;
  entry.serial = ++last_;
  entry.write = std::move(write);
  entry.fences = fences_;
  return entries_.emplace_back(std::move(entry));
}

std::optional<StoreBuffer::Serial> StoreBuffer::before_last_fence() const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e.fences < fences_; });
  return found == entries_.end() ? std::nullopt : std::optional{found->serial};
}

const StoreBuffer::Entry* StoreBuffer::find(Serial serial) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e.serial == serial; });
  return found == entries_.end() ? nullptr : &*found;
}

const StoreBuffer::Entry* StoreBuffer::newest(const void* at, std::size_t size) const {
  const auto found = std::find_if(entries_.rbegin(), entries_.rend(),
                                  [&](const auto& e) { return !e.device() && e.touches(at, size); });
  return found == entries_.rend() ? nullptr : &*found;
}

template <class Is>
std::optional<StoreBuffer::Serial> StoreBuffer::newest_that(Is is) const {
  const auto found = std::find_if(entries_.rbegin(), entries_.rend(), is);
  return found == entries_.rend() ? std::nullopt : std::optional{found->serial};
}

std::optional<StoreBuffer::Serial> StoreBuffer::newest_seq_cst() const {
  return newest_that([](const Entry& e) { return e.seq_cst; });
}

std::optional<StoreBuffer::Serial> StoreBuffer::newest_device() const {
  return newest_that([](const Entry& e) { return e.device(); });
}

std::optional<StoreBuffer::Serial> StoreBuffer::held_by(const Entry& entry) const {
  for (const auto& earlier : entries_) {
    if (earlier.serial >= entry.serial) {
      break;
    }
    if (holds(earlier, entry)) {
      return earlier.serial;
    }
  }
  return std::nullopt;
}

std::vector<StoreBuffer::Serial> StoreBuffer::free_to_leave(bool devices) const {
  std::vector<Serial> result;
  for (const auto& entry : entries_) {
    if ((devices || !entry.device()) && !held_by(entry)) {
      result.push_back(entry.serial);
    }
  }
  return result;
}

StoreBuffer::Entry StoreBuffer::take(Serial serial) {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e.serial == serial; });
  base::check(found != entries_.end());
  Entry entry = std::move(*found);
  entries_.erase(found);
  return entry;
}

void StoreBuffer::forget(const void* at, std::size_t size) {
  std::erase_if(entries_, [&](const auto& e) { return e.inside(at, size); });
}

} // namespace sluice::hosted

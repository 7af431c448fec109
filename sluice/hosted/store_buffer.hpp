#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace sluice::hosted {

// The stores of one processor on their way to memory, and its writes to devices. They leave in any order but this:
//  - stores to the same bytes in the order of the program,
//  - writes to devices in the order of the program among themselves,
//  - what follows a fence after all that precedes it,
//  - a store with release order after all that precedes it.
// So a write to a device overtakes stores before it unless a fence stands between, as on Arm and not on x86.
class StoreBuffer {
public:
  using Serial = std::uint64_t;

  struct Entry {
    Serial serial{};
    void* at{};
    unsigned size{}; // 0: a write to a device
    std::array<std::uint64_t, 2> value{};
    std::function<void()> write{};
    unsigned fences{}; // before it
    bool after_all{false};
    bool seq_cst{false};

    bool device() const { return size == 0; }
    bool touches(const void* other, std::size_t other_size) const;
    bool inside(const void* other, std::size_t other_size) const;
  };

  // `size` is 1, 2, 4, 8 or 16.
  const Entry& store(void* at, unsigned size, std::array<std::uint64_t, 2> value, std::memory_order order);
  const Entry& store_to_device(std::function<void()> write);
  // Release: orders what was before against what comes.
  void fence() { ++fences_; }
  // Whoever stores without the buffer now has to see these gone: the ones that a fence keeps in front.
  std::optional<Serial> before_last_fence() const;

  std::size_t size() const { return entries_.size(); }
  // In the order of the program.
  const std::deque<Entry>& entries() const { return entries_; }
  const Entry* find(Serial serial) const;
  // The newest store to any of these bytes: what a load of this processor sees.
  const Entry* newest(const void* at, std::size_t size) const;
  std::optional<Serial> newest_seq_cst() const;
  std::optional<Serial> newest_device() const;

  // The oldest entry that has to leave before this one.
  std::optional<Serial> held_by(const Entry& entry) const;
  // Those that nothing holds.
  std::vector<Serial> free_to_leave(bool devices) const;
  Entry take(Serial serial);
  // The memory has a new life: stores into it go nowhere.
  void forget(const void* at, std::size_t size);

private:
  template <class Is>
  std::optional<Serial> newest_that(Is is) const;

  std::deque<Entry> entries_;
  Serial last_{0};
  unsigned fences_{0};
};

} // namespace sluice::hosted

#pragma once

#include <sluice/base/explore.hpp>

#include <atomic>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace sluice::base {

using Order = std::memory_order;

// All shared mutable state up to `machine` is of this type. Its layout is T's, so that tables in DMA memory are arrays
// of it. In the explore build each operation yields to a scheduler and goes through a store buffer; else it is a plain
// std::atomic.
template <class T>
class Atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  static_assert(std::atomic<T>::is_always_lock_free && sizeof(std::atomic<T>) == sizeof(T));

public:
  constexpr Atomic() = default;
  constexpr explicit Atomic(T value) : value_{value} {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;
#if defined(SLUICE_EXPLORE)
  constexpr ~Atomic() {
    if (!std::is_constant_evaluated()) {
      if (auto* s = explore::scheduler()) {
        s->forget(&value_, sizeof(T));
      }
    }
  }
#endif

  T load(Order order = Order::seq_cst) const {
    if (auto* s = explore::scheduler()) {
      return from_bits(s->load(&value_, sizeof(T), order));
    }
    return value_.load(order);
  }
  void store(T value, Order order = Order::seq_cst) {
    if (auto* s = explore::scheduler()) {
      return s->store(&value_, sizeof(T), to_bits(value), order);
    }
    value_.store(value, order);
  }
  T exchange(T value, Order order = Order::seq_cst) {
    before_update(order);
    return value_.exchange(value, order);
  }
  // False, and `expected` holds what was found, when the value was another.
  bool compare_exchange(T& expected, T desired, Order order = Order::seq_cst) {
    before_update(order);
    return value_.compare_exchange_strong(expected, desired, order, on_failure(order));
  }
  T fetch_add(T n, Order order = Order::seq_cst) requires std::is_integral_v<T> {
    before_update(order);
    return value_.fetch_add(n, order);
  }
  T fetch_sub(T n, Order order = Order::seq_cst) requires std::is_integral_v<T> {
    before_update(order);
    return value_.fetch_sub(n, order);
  }
  T fetch_or(T bits, Order order = Order::seq_cst) requires std::is_integral_v<T> {
    before_update(order);
    return value_.fetch_or(bits, order);
  }
  T fetch_and(T bits, Order order = Order::seq_cst) requires std::is_integral_v<T> {
    before_update(order);
    return value_.fetch_and(bits, order);
  }
  T fetch_xor(T bits, Order order = Order::seq_cst) requires std::is_integral_v<T> {
    before_update(order);
    return value_.fetch_xor(bits, order);
  }

private:
  using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t,
                                                     std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;

  static std::uint64_t to_bits(T value) { return std::bit_cast<Bits>(value); }
  static T from_bits(std::uint64_t bits) { return std::bit_cast<T>(static_cast<Bits>(bits)); }
  static constexpr Order on_failure(Order order) {
    return order == Order::acq_rel ? Order::acquire : order == Order::release ? Order::relaxed : order;
  }
  void before_update(Order order) {
    if (auto* s = explore::scheduler()) {
      s->before_update(&value_, sizeof(T), order);
    }
  }

  std::atomic<T> value_{};
};

static_assert(sizeof(Atomic<std::uint64_t>) == 8 && alignof(Atomic<std::uint64_t>) == 8);

// A word of a table or queue that a device reads or writes beside us.
using DmaWord = Atomic<std::uint64_t>;

} // namespace sluice::base

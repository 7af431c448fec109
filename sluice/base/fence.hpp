#pragma once

#include <sluice/base/explore.hpp>

#include <atomic>

// Order between this processor's accesses and what a device sees. The names say what is ordered, the comments when it
// is needed.
namespace sluice::base {

namespace detail {
inline void fence(std::memory_order order) {
  if (auto* s = explore::scheduler()) {
    return s->fence(order);
  }
#if defined(__SANITIZE_THREAD__)
  // g++ refuses the library's fence under TSan; all shared data is Atomic there, so the instruction alone is enough.
  __builtin_ia32_mfence();
#else
  std::atomic_thread_fence(order);
#endif
}
} // namespace detail

// Stores before become visible to the SMMU before any later store to memory or device: between an entry's pointees and
// the entry, between a queue's entries and PROD (3.21.2).
inline void dma_publish() {
  detail::fence(std::memory_order_release);
#if defined(__aarch64__)
  asm volatile("dsb oshst" ::: "memory");
#endif
}

// Loads after see at least what the device had written when the load before saw its index: between PROD and the entries
// of an output queue, between the end of a wait and the use of what was waited for.
inline void dma_observe() {
  detail::fence(std::memory_order_acquire);
#if defined(__aarch64__)
  asm volatile("dmb oshld" ::: "memory");
#endif
}

// Stores before are visible to every processor and device before any load after: between a table's change and the
// reading of who must be told of it.
inline void full_fence() {
  detail::fence(std::memory_order_seq_cst);
#if defined(__aarch64__)
  asm volatile("dsb osh" ::: "memory");
#endif
}

} // namespace sluice::base

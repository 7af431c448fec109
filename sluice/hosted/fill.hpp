#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SANITIZE_THREAD__)
#define SLUICE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_TSAN 1
#endif
#endif

namespace sluice::hosted {

// Sets memory that hardware may read at the same time, as it may all RAM. `at` and `size` are multiples of 8. TSan is
// shown atomic stores, which the rest of the world need not pay for.
inline void fill(void* at, std::uint8_t byte, std::size_t size) {
#if defined(SLUICE_TSAN)
  auto* words = static_cast<std::uint64_t*>(at);
  for (std::size_t i = 0; i < size / 8; ++i) {
    __atomic_store_n(words + i, 0x0101010101010101ULL * byte, __ATOMIC_RELAXED);
  }
#else
  std::memset(at, byte, size);
#endif
}

} // namespace sluice::hosted

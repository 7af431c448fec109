#pragma once

#include <array>
#include <cstdint>

namespace sluice::hosted {

// Words of 1, 2, 4 or 8 bytes, as numbers, in memory itself: beneath base::Atomic, which would ask the explorer.
inline std::uint64_t read_memory(const void* at, unsigned size) {
  switch (size) {
  case 1:
    return __atomic_load_n(static_cast<const std::uint8_t*>(at), __ATOMIC_SEQ_CST);
  case 2:
    return __atomic_load_n(static_cast<const std::uint16_t*>(at), __ATOMIC_SEQ_CST);
  case 4:
    return __atomic_load_n(static_cast<const std::uint32_t*>(at), __ATOMIC_SEQ_CST);
  default:
    return __atomic_load_n(static_cast<const std::uint64_t*>(at), __ATOMIC_SEQ_CST);
  }
}

// Or 16 bytes.
inline void write_memory(void* at, unsigned size, const std::array<std::uint64_t, 2>& value) {
  switch (size) {
  case 1:
    return __atomic_store_n(static_cast<std::uint8_t*>(at), static_cast<std::uint8_t>(value[0]), __ATOMIC_SEQ_CST);
  case 2:
    return __atomic_store_n(static_cast<std::uint16_t*>(at), static_cast<std::uint16_t>(value[0]), __ATOMIC_SEQ_CST);
  case 4:
    return __atomic_store_n(static_cast<std::uint32_t*>(at), static_cast<std::uint32_t>(value[0]), __ATOMIC_SEQ_CST);
  case 16: // at once, since no other actor runs in between
    __atomic_store_n(static_cast<std::uint64_t*>(at) + 1, value[1], __ATOMIC_SEQ_CST);
    [[fallthrough]];
  default:
    return __atomic_store_n(static_cast<std::uint64_t*>(at), value[0], __ATOMIC_SEQ_CST);
  }
}

} // namespace sluice::hosted

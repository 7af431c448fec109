#pragma once

#include <sluice/base/atomic.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

// Copies to and from RAM that several devices and processors use at the same time. Aligned words are single-copy
// atomic, so that a reader sees of each the old or the new value, and nobody is told of a race that hardware does not
// have.
namespace sluice::machine {

namespace detail {
template <class Word>
std::size_t copy_word_out(const std::byte* ram, std::byte* into) {
  const Word word = __atomic_load_n(reinterpret_cast<const Word*>(ram), __ATOMIC_RELAXED);
  std::memcpy(into, &word, sizeof word);
  return sizeof word;
}
template <class Word>
std::size_t copy_word_in(std::byte* ram, const std::byte* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  __atomic_store_n(reinterpret_cast<Word*>(ram), word, __ATOMIC_RELAXED);
  return sizeof word;
}
// The widest word that is aligned and not longer than what is left.
inline std::size_t word_size(const std::byte* ram, std::size_t left) {
  std::size_t size = 8;
  while (size > left || reinterpret_cast<std::uintptr_t>(ram) % size != 0) {
    size /= 2;
  }
  return size;
}
} // namespace detail

inline void copy_out(const void* ram, void* into, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(ram);
  auto* to = static_cast<std::byte*>(into);
  for (std::size_t at = 0; at < size;) {
    switch (detail::word_size(from + at, size - at)) {
    case 8:
      at += detail::copy_word_out<std::uint64_t>(from + at, to + at);
      break;
    case 4:
      at += detail::copy_word_out<std::uint32_t>(from + at, to + at);
      break;
    case 2:
      at += detail::copy_word_out<std::uint16_t>(from + at, to + at);
      break;
    default:
      at += detail::copy_word_out<std::uint8_t>(from + at, to + at);
    }
  }
}

inline void copy_in(void* ram, const void* from, std::size_t size) {
  auto* to = static_cast<std::byte*>(ram);
  const auto* source = static_cast<const std::byte*>(from);
  for (std::size_t at = 0; at < size;) {
    switch (detail::word_size(to + at, size - at)) {
    case 8:
      at += detail::copy_word_in<std::uint64_t>(to + at, source + at);
      break;
    case 4:
      at += detail::copy_word_in<std::uint32_t>(to + at, source + at);
      break;
    case 2:
      at += detail::copy_word_in<std::uint16_t>(to + at, source + at);
      break;
    default:
      at += detail::copy_word_in<std::uint8_t>(to + at, source + at);
    }
  }
}

} // namespace sluice::machine

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
inline bool whole_word(const std::byte* ram, std::size_t left) {
  return left >= 8 && reinterpret_cast<std::uintptr_t>(ram) % 8 == 0;
}
} // namespace detail

inline void copy_out(const void* ram, void* into, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(ram);
  auto* to = static_cast<std::byte*>(into);
  for (std::size_t at = 0; at < size;) {
    at += detail::whole_word(from + at, size - at) ? detail::copy_word_out<std::uint64_t>(from + at, to + at)
                                                   : detail::copy_word_out<std::uint8_t>(from + at, to + at);
  }
}

inline void copy_in(void* ram, const void* from, std::size_t size) {
  auto* to = static_cast<std::byte*>(ram);
  const auto* source = static_cast<const std::byte*>(from);
  for (std::size_t at = 0; at < size;) {
    at += detail::whole_word(to + at, size - at) ? detail::copy_word_in<std::uint64_t>(to + at, source + at)
                                                 : detail::copy_word_in<std::uint8_t>(to + at, source + at);
  }
}

} // namespace sluice::machine

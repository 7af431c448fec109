#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

// Structures in messages, as they lie in memory.
namespace sluice::remote {

// At the start of `bytes`; nothing if there are fewer.
template <class T>
std::optional<T> front(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(T)) {
    return std::nullopt;
  }
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// All of `bytes`.
template <class T>
std::optional<T> whole(std::span<const std::byte> bytes) {
  return bytes.size() == sizeof(T) ? front<T>(bytes) : std::nullopt;
}

template <class T>
void append(std::vector<std::byte>& to, const T& value) {
  const auto* const begin = reinterpret_cast<const std::byte*>(&value);
  to.insert(to.end(), begin, begin + sizeof value);
}

} // namespace sluice::remote

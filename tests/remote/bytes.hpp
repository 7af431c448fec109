#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

namespace sluice::remote::test {

template <class... Parts>
std::vector<std::byte> bytes_of(const Parts&... parts) {
  std::vector<std::byte> all;
  [[maybe_unused]] const auto append = [&](const auto& part) {
    const auto* const begin = reinterpret_cast<const std::byte*>(&part);
    all.insert(all.end(), begin, begin + sizeof part);
  };
  (append(parts), ...);
  return all;
}

// From the end of a message's header on.
template <class T>
T read_at(const std::vector<std::byte>& message, std::size_t at) {
  T value{};
  if (at + sizeof value <= message.size()) {
    std::memcpy(&value, message.data() + at, sizeof value);
  }
  return value;
}

} // namespace sluice::remote::test

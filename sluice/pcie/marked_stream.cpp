#include <sluice/pcie/marked_stream.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::pcie {

namespace {
constexpr std::size_t name_size = 8;
constexpr std::size_t digits = 15;
} // namespace

MarkedStream::MarkedStream(std::string_view name) {
  std::string padded{name.substr(0, name_size)};
  padded.resize(name_size, '.');
  head_ = "SLUICE " + padded + " ";
  static_assert(7 + name_size + 1 + digits + 1 == line_size);
}

void MarkedStream::fill(std::uint64_t position, std::span<std::byte> into) const {
  std::array<char, line_size> line;
  std::copy(head_.begin(), head_.end(), line.begin());
  line.back() = '\n';
  for (std::size_t at = 0; at < into.size();) {
    std::uint64_t number = (position + at) / line_size;
    for (std::size_t i = line_size - 1; i-- > head_.size(); number /= 16) {
      line[i] = "0123456789abcdef"[number % 16];
    }
    const std::size_t offset = (position + at) % line_size;
    const std::size_t size = std::min(line_size - offset, into.size() - at);
    std::memcpy(into.data() + at, line.data() + offset, size);
    at += size;
  }
}

std::string MarkedStream::text(std::uint64_t position, std::size_t size) const {
  std::string out(size, '\0');
  fill(position, std::as_writable_bytes(std::span{out}));
  return out;
}

} // namespace sluice::pcie

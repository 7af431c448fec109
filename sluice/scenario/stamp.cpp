#include <sluice/machine/copy.hpp>
#include <sluice/scenario/stamp.hpp>

#include <cstring>

namespace sluice::scenario {

static_assert(std::endian::native == std::endian::little);

void stamp(void* ram, std::uint32_t owner, std::uint64_t iova, std::size_t size) {
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = word_of({owner, iova + at});
    machine::copy_in(static_cast<std::byte*>(ram) + at, &word, sizeof word);
  }
}

bool stamped(const std::byte* bytes, std::uint32_t owner, std::uint64_t iova, std::size_t size) {
  std::size_t at = 0;
  for (; at < size && (iova + at) % 8 != 0; ++at) {
    if (static_cast<std::uint8_t>(bytes[at]) != byte_of(owner, iova + at)) {
      return false;
    }
  }
  for (; at + 8 <= size; at += 8) {
    std::uint64_t word{};
    std::memcpy(&word, bytes + at, sizeof word);
    if (word != word_of({owner, iova + at})) {
      return false;
    }
  }
  for (; at < size; ++at) {
    if (static_cast<std::uint8_t>(bytes[at]) != byte_of(owner, iova + at)) {
      return false;
    }
  }
  return true;
}

} // namespace sluice::scenario

#include <sluice/pcie/entropy_source.hpp>

#include <algorithm>
#include <array>

namespace sluice::pcie {

namespace {
constexpr std::size_t piece = 4096;
}

bool EntropySource::fill(Dma& dma, Master& master, const Chain& chain, std::uint32_t& written) {
  std::array<std::byte, piece> bytes;
  for (const Segment& segment : chain.segments()) {
    for (std::uint32_t at = 0; at < segment.size && written < longest_delivery;) {
      const std::size_t size = std::min<std::size_t>({piece, segment.size - at, longest_delivery - written});
      stream_.fill(delivered_.bytes + written, std::span{bytes}.first(size));
      latest_ = {segment.iova + at, static_cast<std::uint32_t>(size)};
      if (!dma.write(master, segment.iova + at, bytes.data(), size)) {
        return false;
      }
      at += static_cast<std::uint32_t>(size);
      written += static_cast<std::uint32_t>(size);
    }
  }
  return true;
}

void EntropySource::account(std::uint32_t written) {
  std::array<std::byte, piece> bytes;
  for (std::uint32_t at = 0; at < written;) {
    const auto now = std::span{bytes}.first(std::min<std::size_t>(piece, written - at));
    stream_.fill(delivered_.bytes + at, now);
    digest_.add(now);
    at += static_cast<std::uint32_t>(now.size());
  }
  delivered_.bytes += written;
  ++delivered_.buffers;
}

} // namespace sluice::pcie

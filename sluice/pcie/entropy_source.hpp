#pragma once

#include <sluice/pcie/dma.hpp>
#include <sluice/pcie/marked_stream.hpp>
#include <sluice/pcie/virtqueue.hpp>

#include <cstdint>
#include <string_view>

namespace sluice::pcie {

// What has reached a driver: buffers that were given back.
struct Delivered {
  std::uint64_t bytes{};
  std::uint64_t buffers{};
  std::uint64_t digest{}; // Digest, over these bytes in their order
};

// 5.4: what an entropy source fills buffers with, which is a MarkedStream, and an account of it. fill() is one thread's
// at a time; the caller sees to it that account() and delivered() take turns.
class EntropySource {
public:
  // What is written into one chain at most; 5.4.6.1: a device may use less than it was given.
  static constexpr std::uint32_t longest_delivery = 64 * 1024;

  explicit EntropySource(std::string_view name) : stream_{name} {}

  // Writes the bytes that are due into a chain's buffers. False: a request was not served.
  bool fill(Dma& dma, Master& master, const Chain& chain, std::uint32_t& written);
  // Where the latest request of fill() went.
  const Segment& latest() const { return latest_; }
  void forget_latest() { latest_ = {}; }

  // A chain of so many bytes has been given back.
  void account(std::uint32_t written);
  Delivered delivered() const { return {delivered_.bytes, delivered_.buffers, digest_.value()}; }
  const MarkedStream& stream() const { return stream_; }

private:
  MarkedStream stream_;
  Segment latest_{};
  Delivered delivered_{};
  Digest digest_{};
};

} // namespace sluice::pcie

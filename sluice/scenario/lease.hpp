#pragma once

#include <sluice/base/atomic.hpp>

#include <cstdint>

namespace sluice::scenario {

// Memory that is mapped for one stream and taken away again, as it passes between the changer and the stream's traffic:
//
//   changer: maps, offer()      traffic: reads it, warm()
//   changer: unmaps, withdraw() traffic: reads it again and must be refused, done()
//
// The stream's domain is not replaced meanwhile.
class Lease {
public:
  enum class Phase : std::uint8_t { none, offered, warm, withdrawn };

  Phase phase() const { return phase_.load(); }
  std::uint64_t iova() const { return iova_.load(base::Order::relaxed); }
  std::uint64_t size() const { return size_.load(base::Order::relaxed); }
  std::uint32_t owner() const { return owner_.load(base::Order::relaxed); } // of the stamps

  void offer(std::uint64_t iova, std::uint64_t size, std::uint32_t owner) {
    iova_.store(iova, base::Order::relaxed);
    size_.store(size, base::Order::relaxed);
    owner_.store(owner, base::Order::relaxed);
    phase_.store(Phase::offered);
  }
  void warm() { phase_.store(Phase::warm); }
  void withdraw() { phase_.store(Phase::withdrawn); }
  void done() { phase_.store(Phase::none); }

private:
  base::Atomic<Phase> phase_{Phase::none};
  base::Atomic<std::uint64_t> iova_{0};
  base::Atomic<std::uint64_t> size_{0};
  base::Atomic<std::uint32_t> owner_{0};
};

} // namespace sluice::scenario

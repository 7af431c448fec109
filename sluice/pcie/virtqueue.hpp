#pragma once

#include <sluice/pcie/dma.hpp>
#include <sluice/pcie/virtio.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace sluice::pcie {

// Where a driver has put a split virtqueue (virtio 1.2, 2.7).
struct QueueLayout {
  std::uint16_t size{};
  std::uint64_t descriptors{};
  std::uint64_t driver{}; // the available ring
  std::uint64_t device{}; // the used ring
};

// What of it depends on features that the driver has accepted.
struct QueueRules {
  bool indirect{};    // VIRTIO_F_INDIRECT_DESC
  bool event_index{}; // VIRTIO_F_EVENT_IDX

  static constexpr std::uint64_t features = virtio::indirect_desc | virtio::event_idx;
  static constexpr QueueRules of(std::uint64_t accepted) {
    return {.indirect = (accepted & virtio::indirect_desc) != 0, .event_index = (accepted & virtio::event_idx) != 0};
  }
};

// A buffer that the device may write.
struct Segment {
  std::uint64_t iova{};
  std::uint32_t size{};
};

// One descriptor chain: its device-writable part.
class Chain {
public:
  static constexpr std::size_t largest = 64;

  std::uint16_t head() const { return head_; }
  std::span<const Segment> segments() const { return {segments_.data(), count_}; }

private:
  friend class Virtqueue;

  std::uint16_t head_{};
  std::size_t count_{};
  std::array<Segment, largest> segments_{};
};

// What is wrong with a ring: the driver has to reset the device.
enum class RingFault : std::uint8_t {
  none,
  index,      // 2.7.6: more made available than the queue has entries
  descriptor, // a head or next outside the table
  loop,       // 2.7.5: a chain longer than the queue
  flags,      // 2.7.5.3.1: an indirect table in another, before more of a chain, or without the feature; 2.7.4.2: a
              // readable buffer after a writable one
  length,     // an empty buffer, or one that wraps; 2.7.5.3: an indirect table that is not so many descriptors
  access,     // a request to the ring was not served
};

// The device's side of a split virtqueue. It keeps two indices and believes nothing else between calls. Used by one
// thread at a time.
class Virtqueue {
public:
  static constexpr std::uint16_t largest = Chain::largest;

  explicit Virtqueue(Dma& dma) : dma_{dma} {}

  // `next`: the index of the first chain that is not the driver's any more, for a queue that was in use before.
  void start(const QueueLayout& layout, QueueRules rules, std::uint16_t next = 0);
  // What start() wants to go on from here.
  std::uint16_t next_index() const { return seen_; }

  enum class Next : std::uint8_t { chain, none, broken };
  // The next chain that the driver has made available. 2.7.10: after `none`, the driver tells of the next one.
  Next next(Master& master, Chain& chain);
  // Gives a chain back, of which `written` bytes were written. False: broken.
  bool complete(Master& master, const Chain& chain, std::uint32_t written);
  // 2.7.7: after each complete, whether the driver wants to be told.
  bool wants_interrupt(Master& master);

  RingFault fault() const { return fault_; }
  QueueRules rules() const { return rules_; }
  // Of the chains so far, those in an indirect table.
  std::uint64_t tables() const { return tables_.load(base::Order::relaxed); }

private:
  struct Descriptor {
    std::uint64_t address;
    std::uint32_t size;
    std::uint16_t flags;
    std::uint16_t next;
  };
  static_assert(sizeof(Descriptor) == 16);
  // Where a chain goes on.
  struct Table {
    std::uint64_t address;
    std::uint32_t count;
    bool indirect;
  };

  Next broken(RingFault fault) {
    fault_ = fault;
    return Next::broken;
  }
  bool read_index(Master& master, std::uint16_t& index);
  bool ask_to_be_told(Master& master);
  Next walk(Master& master, Chain& chain);
  RingFault enter(const Descriptor& descriptor, Table& table) const;
  RingFault take(const Descriptor& descriptor, Chain& chain) const;

  Dma& dma_;
  QueueLayout layout_{};
  QueueRules rules_{};
  std::uint16_t seen_{}; // chains taken, modulo 2^16
  std::uint16_t used_{}; // and given back
  RingFault fault_{};
  base::Atomic<std::uint64_t> tables_{0};
};

} // namespace sluice::pcie

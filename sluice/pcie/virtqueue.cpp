#include <sluice/pcie/virtqueue.hpp>

#include <sluice/base/fence.hpp>
#include <sluice/pcie/virtio.hpp>

namespace sluice::pcie {

namespace {

// 2.7.6, 2.7.8: flags, index, then the ring.
constexpr std::uint64_t ring_index = 2;
constexpr std::uint64_t ring_entries = 4;

struct UsedElement {
  std::uint32_t head;
  std::uint32_t size;
};

} // namespace

void Virtqueue::start(const QueueLayout& layout, std::uint16_t next) {
  layout_ = layout;
  seen_ = next;
  used_ = next;
  fault_ = RingFault::none;
}

Virtqueue::Next Virtqueue::next(Master& master, Chain& chain) {
  std::uint16_t index = 0;
  if (!dma_.read(master, layout_.driver + ring_index, &index, sizeof index)) {
    return broken(RingFault::access);
  }
  const auto waiting = static_cast<std::uint16_t>(index - seen_);
  if (waiting == 0) {
    return Next::none;
  }
  if (waiting > layout_.size) {
    return broken(RingFault::index);
  }
  base::dma_observe();
  const std::uint64_t slot = seen_ % layout_.size;
  if (!dma_.read(master, layout_.driver + ring_entries + 2 * slot, &chain.head_, sizeof chain.head_)) {
    return broken(RingFault::access);
  }
  const Next result = walk(master, chain);
  seen_ = static_cast<std::uint16_t>(seen_ + (result == Next::chain ? 1 : 0));
  return result;
}

Virtqueue::Next Virtqueue::walk(Master& master, Chain& chain) {
  chain.count_ = 0;
  std::uint16_t at = chain.head_;
  for (unsigned length = 0; length < layout_.size; ++length) {
    if (at >= layout_.size) {
      return broken(RingFault::descriptor);
    }
    Descriptor descriptor;
    if (!dma_.read(master, layout_.descriptors + sizeof descriptor * at, &descriptor, sizeof descriptor)) {
      return broken(RingFault::access);
    }
    if (const RingFault fault = take(descriptor, chain); fault != RingFault::none) {
      return broken(fault);
    }
    if ((descriptor.flags & virtio::descriptor_next) == 0) {
      return Next::chain;
    }
    at = descriptor.next;
  }
  return broken(RingFault::loop);
}

RingFault Virtqueue::take(const Descriptor& descriptor, Chain& chain) const {
  const bool writable = (descriptor.flags & virtio::descriptor_write) != 0;
  if ((descriptor.flags & virtio::descriptor_indirect) != 0 || (!writable && chain.count_ != 0)) {
    return RingFault::flags;
  }
  if (descriptor.size == 0 || descriptor.address + descriptor.size - 1 < descriptor.address) {
    return RingFault::length;
  }
  if (writable) {
    chain.segments_[chain.count_++] = {descriptor.address, descriptor.size};
  }
  return RingFault::none;
}

bool Virtqueue::complete(Master& master, const Chain& chain, std::uint32_t written) {
  const UsedElement element{chain.head(), written};
  const std::uint64_t slot = used_ % layout_.size;
  bool good = dma_.write(master, layout_.device + ring_entries + sizeof element * slot, &element, sizeof element);
  if (good) {
    base::dma_publish();
    ++used_;
    good = dma_.write(master, layout_.device + ring_index, &used_, sizeof used_);
  }
  if (!good) {
    fault_ = RingFault::access;
  }
  return good;
}

bool Virtqueue::wants_interrupt(Master& master) {
  base::full_fence(); // between the index and the flags: the driver orders them the other way round
  std::uint16_t flags = 0;
  if (!dma_.read(master, layout_.driver, &flags, sizeof flags)) {
    fault_ = RingFault::access;
    return false;
  }
  return (flags & virtio::available_no_interrupt) == 0;
}

} // namespace sluice::pcie

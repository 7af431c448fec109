#include <sluice/pcie/virtqueue.hpp>

#include <sluice/base/fence.hpp>

namespace sluice::pcie {

namespace {

// 2.7.6, 2.7.8: flags, index, the ring, and behind it the other side's event index.
constexpr std::uint64_t ring_index = 2;
constexpr std::uint64_t ring_entries = 4;

struct UsedElement {
  std::uint32_t head;
  std::uint32_t size;
};

constexpr std::uint64_t used_event(const QueueLayout& layout) {
  return layout.driver + ring_entries + sizeof(std::uint16_t) * layout.size;
}
constexpr std::uint64_t avail_event(const QueueLayout& layout) {
  return layout.device + ring_entries + sizeof(UsedElement) * layout.size;
}

constexpr bool is_a_place(std::uint64_t address, std::uint32_t size) {
  return size != 0 && address + size - 1 >= address;
}

} // namespace

void Virtqueue::start(const QueueLayout& layout, QueueRules rules, std::uint16_t next) {
  layout_ = layout;
  rules_ = rules;
  seen_ = next;
  used_ = next;
  fault_ = RingFault::none;
}

bool Virtqueue::read_index(Master& master, std::uint16_t& index) {
  return dma_.read(master, layout_.driver + ring_index, &index, sizeof index);
}

// 2.7.10.1: when the driver makes the entry available that would be the next one.
bool Virtqueue::ask_to_be_told(Master& master) {
  const bool good = dma_.write(master, avail_event(layout_), &seen_, sizeof seen_);
  base::full_fence(); // before the driver's index is looked at once more: the driver orders them the other way round
  return good;
}

Virtqueue::Next Virtqueue::next(Master& master, Chain& chain) {
  std::uint16_t index = 0;
  if (!read_index(master, index)) {
    return broken(RingFault::access);
  }
  if (index == seen_ && rules_.event_index && !(ask_to_be_told(master) && read_index(master, index))) {
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
  Table table{layout_.descriptors, layout_.size, false};
  std::uint16_t at = chain.head_;
  for (unsigned buffers = 0; buffers < layout_.size;) {
    if (at >= table.count) {
      return broken(RingFault::descriptor);
    }
    Descriptor descriptor;
    if (!dma_.read(master, table.address + sizeof descriptor * at, &descriptor, sizeof descriptor)) {
      return broken(RingFault::access);
    }
    if ((descriptor.flags & virtio::descriptor_indirect) != 0) {
      if (const RingFault fault = enter(descriptor, table); fault != RingFault::none) {
        return broken(fault);
      }
      at = 0;
      continue; // once, since a table holds no other
    }
    ++buffers;
    if (const RingFault fault = take(descriptor, chain); fault != RingFault::none) {
      return broken(fault);
    }
    if ((descriptor.flags & virtio::descriptor_next) == 0) {
      tables_.fetch_add(table.indirect ? 1 : 0, base::Order::relaxed);
      return Next::chain;
    }
    at = descriptor.next;
  }
  return broken(RingFault::loop);
}

// 2.7.5.3.2: whether it is said to be writable is of no concern, and a chain may begin outside of the table.
RingFault Virtqueue::enter(const Descriptor& descriptor, Table& table) const {
  if (!rules_.indirect || table.indirect || (descriptor.flags & virtio::descriptor_next) != 0) {
    return RingFault::flags;
  }
  if (!is_a_place(descriptor.address, descriptor.size) || descriptor.size % sizeof descriptor != 0) {
    return RingFault::length;
  }
  table = {descriptor.address, static_cast<std::uint32_t>(descriptor.size / sizeof descriptor), true};
  return RingFault::none;
}

RingFault Virtqueue::take(const Descriptor& descriptor, Chain& chain) const {
  const bool writable = (descriptor.flags & virtio::descriptor_write) != 0;
  if (!writable && chain.count_ != 0) {
    return RingFault::flags;
  }
  if (!is_a_place(descriptor.address, descriptor.size)) {
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
  base::full_fence(); // between the index and the driver's word: the driver orders them the other way round
  std::uint16_t word = 0;
  if (!dma_.read(master, rules_.event_index ? used_event(layout_) : layout_.driver, &word, sizeof word)) {
    fault_ = RingFault::access;
    return false;
  }
  const auto latest = static_cast<std::uint16_t>(used_ - 1);
  return rules_.event_index ? word == latest : (word & virtio::available_no_interrupt) == 0;
}

} // namespace sluice::pcie

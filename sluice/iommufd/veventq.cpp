#include <sluice/iommufd/veventq.hpp>

#include <algorithm>
#include <cstring>

namespace sluice::iommufd {

using base::Errc;
using uapi::iommufd::VeventHeader;

base::Result<std::unique_ptr<Veventq>> Veventq::make(Viommu& viommu, std::uint32_t type, std::uint32_t depth,
                                                     Channels& channels, platform::Sync& sync) {
  if (viommu.event_types.contains(type)) {
    return Errc::already_exists;
  }
  auto queue = std::unique_ptr<Veventq>{new Veventq{viommu, type, depth, sync}};
  auto channel = channels.open(*queue);
  if (!channel) {
    return channel.error();
  }
  queue->channel_.reset(*channel);
  viommu.event_types.insert(type);
  // The type is not checked against the driver, as in Linux: a queue of an unknown type stays empty.
  static_cast<void>(viommu.viommu().set_event_sink(type, queue.get()));
  return queue;
}

Veventq::~Veventq() {
  if (channel_) {
    static_cast<void>(viommu_->viommu().set_event_sink(type_, nullptr));
    viommu_->event_types.erase(type_);
    channel_.reset();
  }
}

std::uint32_t Veventq::next_sequence() {
  const std::uint32_t now = sequence_;
  sequence_ = (sequence_ + 1) & 0x7fff'ffff;
  return now;
}

bool Veventq::ends_in_loss() const {
  return !waiting_.empty() && (waiting_.back().header.flags & uapi::iommufd::vevent_lost) != 0;
}

// A header of lost events is only kept at the tail, and does not count.
void Veventq::append(const Packet& packet) {
  if (ends_in_loss()) {
    waiting_.pop_back();
  }
  waiting_.push_back(packet);
}

void Veventq::on_event(std::span<const std::byte> record) {
  const platform::SpinGuard guard{sync_, lock_};
  Packet packet;
  packet.header.sequence = next_sequence();
  const std::size_t events = waiting_.size() - (ends_in_loss() ? 1 : 0);
  if (events + channel_->unread() >= depth_) {
    packet.header.flags = uapi::iommufd::vevent_lost;
  } else {
    packet.size = std::min(record.size(), largest);
    std::memcpy(packet.data.data(), record.data(), packet.size);
  }
  append(packet);
  feed();
}

void Veventq::on_loss() {
  const platform::SpinGuard guard{sync_, lock_};
  append({.header = {uapi::iommufd::vevent_lost, next_sequence()}});
  feed();
}

void Veventq::on_room() {
  const platform::SpinGuard guard{sync_, lock_};
  feed();
}

void Veventq::feed() {
  std::array<std::byte, sizeof(VeventHeader) + largest> bytes;
  while (!waiting_.empty()) {
    const Packet& packet = waiting_.front();
    std::memcpy(bytes.data(), &packet.header, sizeof packet.header);
    std::memcpy(bytes.data() + sizeof packet.header, packet.data.data(), packet.size);
    if (!channel_->send(std::span{bytes}.first(sizeof packet.header + packet.size))) {
      return;
    }
    waiting_.pop_front();
  }
}

} // namespace sluice::iommufd

#include <sluice/iommufd/veventq.hpp>

#include <sluice/uapi/errno.hpp>

#include <algorithm>
#include <cstring>
#include <new>

namespace sluice::iommufd {

using base::Errc;
using base::Status;
using platform::MutexGuard;
using platform::SpinGuard;
using uapi::Errno;
using uapi::iommufd::VeventHeader;

base::Result<std::unique_ptr<Veventq>> Veventq::make(Viommu& viommu, std::uint32_t type, std::uint32_t depth,
                                                     Host& host, platform::Sync& sync) {
  if (viommu.event_types.contains(type)) {
    return Errc::already_exists;
  }
  auto queue = std::unique_ptr<Veventq>{new Veventq{viommu, type, depth, host.caller, sync}};
  auto descriptor = host.channels.open_queue(*queue, false);
  if (!descriptor) {
    return descriptor.error();
  }
  queue->descriptor_.reset(*descriptor);
  viommu.event_types.insert(type);
  // The type is not checked against the driver, as in Linux: a queue of an unknown type stays empty.
  static_cast<void>(viommu.viommu().set_event_sink(type, queue.get()));
  return queue;
}

Veventq::~Veventq() {
  if (descriptor_) {
    static_cast<void>(viommu_->viommu().set_event_sink(type_, nullptr));
    viommu_->event_types.erase(type_);
    descriptor_.reset();
  }
}

std::uint32_t Veventq::next_sequence() {
  const std::uint32_t now = sequence_;
  sequence_ = (sequence_ + 1) & 0x7fff'ffff;
  return now;
}

// An event that follows a loss tells of it by its sequence number.
bool Veventq::append(const Event& event) try {
  if (events_.size() >= depth_) {
    return false;
  }
  events_.push_back(event);
  loss_.reset();
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

void Veventq::lose(std::uint32_t sequence) { loss_ = VeventHeader{uapi::iommufd::vevent_lost, sequence}; }

void Veventq::on_event(std::span<const std::byte> record) {
  Event event;
  event.size = std::min(record.size(), largest);
  std::memcpy(event.data.data(), record.data(), event.size);
  const SpinGuard guard{sync_, lock_};
  event.header.sequence = next_sequence();
  if (!append(event)) {
    lose(event.header.sequence);
  }
  signal();
}

void Veventq::on_loss() {
  const SpinGuard guard{sync_, lock_};
  lose(next_sequence());
  signal();
}

void Veventq::signal() { descriptor_->set_readable(!events_.empty() || loss_); }

void Veventq::refresh() {
  const SpinGuard guard{sync_, lock_};
  signal();
}

std::optional<Veventq::Event> Veventq::first() {
  const SpinGuard guard{sync_, lock_};
  if (!events_.empty()) {
    return events_.front();
  }
  return loss_ ? std::optional{Event{.header = *loss_}} : std::nullopt;
}

// Only reading takes events away; a loss may have been followed by something meanwhile.
void Veventq::drop(const Event& told) {
  const SpinGuard guard{sync_, lock_};
  if (told.header.flags != uapi::iommufd::vevent_lost) {
    events_.pop_front();
  } else if (loss_ && loss_->sequence == told.header.sequence) {
    loss_.reset();
  }
}

Status Veventq::copy(std::uint64_t to, const Event& event) {
  std::array<std::byte, sizeof(VeventHeader) + largest> bytes;
  std::memcpy(bytes.data(), &event.header, sizeof event.header);
  std::memcpy(bytes.data() + sizeof event.header, event.data.data(), event.size);
  return caller_.write(to, std::span{bytes}.first(sizeof event.header + event.size));
}

std::int64_t Veventq::read(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) {
  if (offset != 0) {
    return -static_cast<int>(Errno::illegal_seek);
  }
  if (count < sizeof(VeventHeader)) {
    return -static_cast<int>(Errno::invalid);
  }
  const MutexGuard guard{sync_, mutex_};
  std::uint64_t done = 0;
  Status status;
  while (const auto event = first()) {
    const std::uint64_t size = sizeof event->header + event->size;
    status = size <= count - done ? copy(buffer + done, *event) : Status{Errc::invalid_argument};
    if (!status) {
      break;
    }
    drop(*event);
    done += size;
  }
  refresh();
  return done != 0 || status ? static_cast<std::int64_t>(done) : -static_cast<int>(uapi::to_errno(status.error()));
}

std::int64_t Veventq::write(std::uint64_t, std::uint64_t, std::uint64_t) { return -static_cast<int>(Errno::invalid); }

} // namespace sluice::iommufd

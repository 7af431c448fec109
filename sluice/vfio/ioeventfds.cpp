#include <sluice/vfio/ioeventfds.hpp>

#include <algorithm>

namespace sluice::vfio {

using base::Errc;
using base::Status;
using platform::MutexGuard;

Status Ioeventfds::set(const Place& place, std::int32_t fd) {
  const MutexGuard guard{sync_, mutex_};
  const auto same = std::find_if(all_.begin(), all_.end(), [&](const auto& one) { return one->place == place; });
  if (same == all_.end()) {
    return fd < 0 ? Status{Errc::no_device} : add(place, fd);
  }
  if (fd >= 0) {
    return Errc::already_exists;
  }
  wakeups_->unwatch((*same)->event);
  all_.erase(same);
  return {};
}

Status Ioeventfds::add(const Place& place, std::int32_t fd) {
  if (all_.size() == most) {
    return Errc::no_space;
  }
  auto own = Eventfd::duplicate(fd);
  if (!own) {
    return own.error();
  }
  if (wakeups_ == nullptr) {
    return Errc::unknown_call;
  }
  all_.push_back(std::make_unique<One>(*this, place, std::move(*own)));
  auto status = wakeups_->watch(all_.back()->event, *all_.back());
  if (!status) {
    all_.pop_back();
  }
  return status;
}

void Ioeventfds::clear() {
  const MutexGuard guard{sync_, mutex_};
  for (const auto& one : all_) {
    wakeups_->unwatch(one->event);
  }
  all_.clear();
}

} // namespace sluice::vfio

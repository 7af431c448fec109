#include <sluice/machine/doorbell.hpp>

#include <algorithm>
#include <cstring>

namespace sluice::machine {

using base::Errc;
using base::Order;
using platform::SpinGuard;

base::Result<vfio::Message> Doorbell::connect(pcie::Address device, const vfio::Eventfd& signal) {
  const SpinGuard guard{sync_, lock_};
  auto free = std::find_if(vectors_.begin(), vectors_.end(), [](const Vector& v) { return v.signal == nullptr; });
  if (free == vectors_.end()) {
    if (vectors_.size() == most_vectors) {
      return Errc::no_space;
    }
    free = vectors_.emplace(vectors_.end());
  }
  *free = {device.stream, &signal};
  connected_.fetch_add(1, Order::relaxed);
  return vfio::Message{own_register, static_cast<std::uint32_t>(free - vectors_.begin())};
}

void Doorbell::disconnect(pcie::Address device, const vfio::Message& message) {
  const SpinGuard guard{sync_, lock_};
  if (message.data < vectors_.size() && vectors_[message.data].signal != nullptr &&
      vectors_[message.data].stream == device.stream) {
    vectors_[message.data] = {};
    connected_.fetch_sub(1, Order::relaxed);
  }
}

bool Doorbell::ring(std::uint64_t stream, std::uint32_t data) {
  const SpinGuard guard{sync_, lock_};
  if (data >= vectors_.size() || vectors_[data].signal == nullptr || vectors_[data].stream != stream) {
    return false;
  }
  vectors_[data].signal->signal();
  signalled_.fetch_add(1, Order::relaxed);
  return true;
}

bool Doorbell::write(const model::BusAccess& access, const void* from) {
  std::uint32_t data = 0;
  bool taken = false;
  if (access.size == sizeof data && access.initiator.stream != model::Initiator::smmu_itself) {
    std::memcpy(&data, from, sizeof data);
    taken = access.address == own_register ? ring(access.initiator.stream, data)
                                           : elsewhere_ && elsewhere_(access.initiator.stream, access.address, data);
  }
  if (!taken) {
    refused_.fetch_add(1, Order::relaxed);
  }
  return taken;
}

} // namespace sluice::machine

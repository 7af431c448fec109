#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>

// DEVICE_FEATURE. Of its features a device without any has low power; migration, dirty logging, tokens and DMA buffers
// are other devices'.
namespace sluice::vfio {

namespace u = uapi::vfio;
using base::Errc;
using base::Order;
using base::Status;
using platform::MutexGuard;

namespace {

// What is wanted of a feature that can be set, with so many bytes of data.
enum class Wanted { nothing, set };
base::Result<Wanted> check_set(const u::Feature& cmd, std::size_t bytes) {
  if ((cmd.flags & u::feature_get) != 0) {
    return Errc::invalid_argument;
  }
  if ((cmd.flags & u::feature_probe) != 0) {
    return Wanted::nothing;
  }
  if ((cmd.flags & u::feature_set) == 0 || cmd.argsz - sizeof cmd < bytes) {
    return Errc::invalid_argument;
  }
  return Wanted::set;
}

} // namespace

Status File::feature(std::uint64_t argument) {
  u::Feature cmd{};
  if (auto status = read(argument, cmd); !status) {
    return status;
  }
  constexpr std::uint32_t both = u::feature_get | u::feature_set;
  constexpr std::uint32_t known = u::feature_mask | both | u::feature_probe;
  if (cmd.argsz < u::Feature::min_size || (cmd.flags & ~known) != 0 ||
      ((cmd.flags & u::feature_probe) == 0 && (cmd.flags & both) == both)) {
    return Errc::invalid_argument;
  }
  switch (cmd.flags & u::feature_mask) {
  case u::feature_low_power_entry:
  case u::feature_low_power_entry_with_wakeup:
  case u::feature_low_power_exit:
    return low_power(cmd, argument + sizeof cmd);
  default:
    return Errc::unknown_call;
  }
}

Status File::low_power(const u::Feature& cmd, std::uint64_t data) {
  const std::uint32_t index = cmd.flags & u::feature_mask;
  const bool wakes = index == u::feature_low_power_entry_with_wakeup;
  const auto wanted = check_set(cmd, wakes ? sizeof(u::LowPowerEntryWithWakeup) : 0);
  if (!wanted || *wanted == Wanted::nothing) {
    return wanted ? Status{} : wanted.error();
  }
  Eventfd wakeup;
  if (wakes) {
    u::LowPowerEntryWithWakeup entry;
    if (auto status = read(data, entry); !status) {
      return status;
    }
    if (entry.wakeup_eventfd < 0) {
      return Errc::invalid_argument;
    }
    auto own = Eventfd::duplicate(entry.wakeup_eventfd);
    if (!own) {
      return own.error();
    }
    wakeup = std::move(*own);
  }
  const MutexGuard guard{cdev_.host_.sync, cdev_.power_mutex_};
  if (index == u::feature_low_power_exit) {
    cdev_.leave_low_power();
    return {};
  }
  if (cdev_.low_power_.load(Order::relaxed)) {
    return Errc::invalid_argument;
  }
  cdev_.wakeup_ = std::move(wakeup);
  cdev_.low_power_.store(true, Order::release);
  return {};
}

void Cdev::leave_low_power() {
  wakeup_ = {};
  low_power_.store(false, Order::release);
}

// Whatever needs the device wakes it; who wanted to be told of that is, and it stays awake. Else it goes back to sleep.
void Cdev::wake() {
  if (!low_power_.load(Order::acquire)) {
    return;
  }
  const MutexGuard guard{host_.sync, power_mutex_};
  if (wakeup_) {
    wakeup_.signal();
    leave_low_power();
  }
}

} // namespace sluice::vfio

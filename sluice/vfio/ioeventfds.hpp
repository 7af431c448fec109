#pragma once

#include <sluice/pcie/function.hpp>
#include <sluice/vfio/host.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace sluice::vfio {

// Registers that eventfds of the client's write.
class Ioeventfds {
public:
  static constexpr std::size_t most = 1000;

  struct Place {
    unsigned bar{};
    std::uint64_t at{};
    unsigned size{}; // bytes
    std::uint64_t data{};
    friend bool operator==(const Place&, const Place&) = default;
  };

  // `write` is called in the thread of who waits, when the place's eventfd is signalled.
  Ioeventfds(platform::Sync& sync, Wakeups* wakeups, std::function<void(const Place&)> write)
      : sync_{sync}, wakeups_{wakeups}, write_{std::move(write)} {}

  // Of a negative descriptor: there is none any more. Errors: already_exists, no_device (there was none), no_space,
  // bad_descriptor, invalid_argument (no eventfd), unknown_call (nobody waits), no_memory.
  base::Status set(const Place& place, std::int32_t fd);
  void clear();

private:
  struct One final : Wakeups::Sleeper {
    One(Ioeventfds& i, const Place& p, Eventfd e) : of{i}, place{p}, event{std::move(e)} {}
    void on_signal() override { of.write_(place); }
    Ioeventfds& of;
    Place place;
    Eventfd event;
  };
  base::Status add(const Place& place, std::int32_t fd);

  platform::Sync& sync_;
  Wakeups* wakeups_;
  std::function<void(const Place&)> write_;
  platform::Mutex mutex_;
  std::vector<std::unique_ptr<One>> all_;
};

} // namespace sluice::vfio

#pragma once

#include <sluice/hosted/fd_watch.hpp>
#include <sluice/vfio/host.hpp>

namespace sluice::machine {

// Waits for clients' eventfds in a thread of its own.
class EventWatch final : public vfio::Wakeups {
public:
  base::Status watch(const vfio::Eventfd& event, Sleeper& sleeper) override {
    const auto tell = [&event, &sleeper] {
      if (event.take()) {
        sleeper.on_signal();
      }
    };
    return watch_.add(event.number(), tell) ? base::Status{} : base::Status{base::Errc::no_memory};
  }
  void unwatch(const vfio::Eventfd& event) override { watch_.remove(event.number()); }

private:
  hosted::FdWatch watch_;
};

} // namespace sluice::machine

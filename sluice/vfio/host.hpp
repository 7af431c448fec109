#pragma once

#include <sluice/base/result.hpp>
#include <sluice/iommufd/context.hpp>
#include <sluice/iommufd/host.hpp>
#include <sluice/pcie/function.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/vfio/eventfd.hpp>

#include <cstdint>
#include <memory>

// What a VFIO device needs of the process that it serves and of the machine that it serves it with.
namespace sluice::vfio {

// Which /dev/iommu a client's descriptor is.
class Iommufds {
public:
  // Errors: bad_descriptor (not open), wrong_descriptor (something else).
  virtual base::Result<std::shared_ptr<iommufd::Context>> find_context(int fd) = 0;

protected:
  ~Iommufds() = default;
};

// What a device has to write, and where, for an interrupt.
struct Message {
  std::uint64_t address{};
  std::uint32_t data{};
};

// The interrupt controller of the host: a write of a message by its device signals an eventfd.
class Vectors {
public:
  // The address is one that the device can use: the doorbell as its domains map it. `signal` stays where it is until
  // disconnect. Errors: no_space, unsupported.
  virtual base::Result<Message> connect(pcie::Address device, const Eventfd& signal) = 0;
  // When it returns the eventfd is not signalled any more.
  virtual void disconnect(pcie::Address device, const Message& message) = 0;

protected:
  ~Vectors() = default;
};

// Waits for what clients signal.
class Wakeups {
public:
  class Sleeper {
  public:
    // In a thread of its own.
    virtual void on_signal() = 0;

  protected:
    ~Sleeper() = default;
  };

  // Each signal of the eventfd is taken and told, one that was there before too. It stays where it is until unwatch.
  // Errors: no_memory.
  virtual base::Status watch(const Eventfd& event, Sleeper& sleeper) = 0;
  // When it returns nothing is told any more. Not from within it.
  virtual void unwatch(const Eventfd& event) = 0;

protected:
  ~Wakeups() = default;
};

struct Host {
  iommufd::Caller& caller;
  Iommufds& iommufds;
  Vectors& vectors;
  platform::Sync& sync;
  Wakeups* wakeups{}; // null: clients do not unmask by eventfds
};

} // namespace sluice::vfio

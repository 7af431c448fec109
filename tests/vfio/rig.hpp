#pragma once

#include "../iommufd/fakes.hpp"
#include "../pcie/virtio_guest.hpp"

#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

// A client with a device, and everything around them.
namespace sluice::vfio::test {

namespace u = uapi::vfio;
namespace config = pcie::config;
using MsixCapability = pcie::VirtioRngConfig::MsixCapability;

// An eventfd of the client's.
class Event {
public:
  explicit Event(int flags = EFD_NONBLOCK) : fd{eventfd(0, flags | EFD_CLOEXEC)} {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { close(fd); }

  // How often it was signalled since the last time.
  std::uint64_t take() const {
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    std::uint64_t count = 0;
    if (poll(&p, 1, 0) == 1 && ::read(fd, &count, sizeof count) != sizeof count) {
      return 0;
    }
    return count;
  }

  int fd;
};

class FakeIommufds final : public Iommufds {
public:
  static constexpr int good = 100000;
  static constexpr int other = 100001; // open, and something else

  base::Result<std::shared_ptr<iommufd::Context>> find_context(int fd) override {
    if (fd == good) {
      return context;
    }
    return fd == other ? base::Errc::wrong_descriptor : base::Errc::bad_descriptor;
  }

  std::shared_ptr<iommufd::Context> context;
};

// A doorbell: messages have the addresses 0x6000, 0x6004, ...
class FakeVectors final : public Vectors {
public:
  static constexpr std::uint64_t at = 0x6000;

  base::Result<Message> connect(pcie::Address, const Eventfd& signal) override {
    if (connected.size() >= room) {
      return base::Errc::no_space;
    }
    const Message message{at + 4 * next, static_cast<std::uint32_t>(0x100 + next)};
    ++next;
    connected[message.address] = {message.data, &signal};
    return message;
  }
  void disconnect(pcie::Address, const Message& message) override { connected.erase(message.address); }

  // What the device has written into memory reaches the controller.
  void look(const pcie::FakeMaster& memory) {
    for (const auto& [address, c] : connected) {
      if (memory.get<std::uint32_t>(address) == c.data) {
        c.signal->signal();
      }
    }
  }

  struct Connected {
    std::uint32_t data;
    const Eventfd* signal;
  };
  std::map<std::uint64_t, Connected> connected;
  std::uint64_t next{};
  std::size_t room{64};
};

// Whoever waits for eventfds, when it looks.
class FakeWakeups final : public Wakeups {
public:
  base::Status watch(const Eventfd& event, Sleeper& sleeper) override {
    if (refuses) {
      return base::Errc::no_memory;
    }
    watched[&event] = &sleeper;
    return {};
  }
  void unwatch(const Eventfd& event) override { watched.erase(&event); }
  void look() {
    for (const auto& [event, sleeper] : watched) {
      if (event->take()) {
        sleeper->on_signal();
      }
    }
  }

  std::map<const Eventfd*, Sleeper*> watched;
  bool refuses{};
};

struct Rig {
  static constexpr std::uint64_t at = 0x1000;
  static constexpr std::uint64_t buffer = 0x4000;

  explicit Rig(MsixCapability msix = MsixCapability::none, CdevConfig cdev_config = {})
      : guest{msix}, cdev{guest.rng, device, {caller, iommufds, vectors, guest.sync, &wakeups}, std::move(cdev_config)},
        file{cdev.open()} {
    iommufds.context = std::make_shared<iommufd::Context>(iommufd::Host{caller, pages, channels}, port.sync);
  }

  // 0 or errno. The structure is what the caller has before and finds after; `tail` follows it.
  template <class T>
  int call(std::uint32_t number, T& cmd, std::span<const std::byte> tail = {}) {
    std::memcpy(&caller.bytes[at], &cmd, sizeof cmd);
    if (!tail.empty()) {
      std::memcpy(&caller.bytes[at + sizeof cmd], tail.data(), tail.size());
    }
    const int result = -file->ioctl(number, at);
    std::memcpy(&cmd, &caller.bytes[at], sizeof cmd);
    return result;
  }
  int bind(int fd = FakeIommufds::good) {
    u::BindIommufd cmd{.argsz = sizeof cmd, .flags = 0, .iommufd = fd, .out_devid = 0, .token_uuid_ptr = 0};
    const int result = call(u::device_bind_iommufd, cmd);
    devid = cmd.out_devid;
    return result;
  }
  int attach(std::uint32_t& id, std::uint32_t flags = 0, std::uint32_t pasid = 0) {
    u::AttachIommufdPt cmd{.argsz = sizeof cmd, .flags = flags, .pt_id = id, .pasid = pasid};
    const int result = call(u::device_attach_iommufd_pt, cmd);
    id = cmd.pt_id;
    return result;
  }
  // The same of the /dev/iommu.
  template <class T>
  int iommu(T& cmd) {
    cmd.size = sizeof cmd;
    std::memcpy(&caller.bytes[at], &cmd, sizeof cmd);
    const int result = -iommufds.context->ioctl(uapi::iommufd::call(T::nr), at);
    std::memcpy(&cmd, &caller.bytes[at], sizeof cmd);
    return result;
  }
  std::uint32_t ioas() {
    uapi::iommufd::IoasAlloc cmd;
    return iommu(cmd) == 0 ? cmd.out_ioas_id : 0;
  }
  std::uint32_t pasid_table(std::uint32_t on) {
    uapi::iommufd::HwptAlloc cmd;
    cmd.flags = uapi::iommufd::hwpt_pasid;
    cmd.dev_id = devid;
    cmd.pt_id = on;
    return iommu(cmd) == 0 ? cmd.out_hwpt_id : 0;
  }
  int irqs(std::uint32_t flags, std::uint32_t index, std::uint32_t start, std::uint32_t count,
           std::vector<std::int32_t> data = {}) {
    u::IrqSet cmd{.argsz = static_cast<std::uint32_t>(sizeof cmd + data.size() * 4),
                  .flags = flags,
                  .index = index,
                  .start = start,
                  .count = count};
    return call(u::device_set_irqs, cmd, std::as_bytes(std::span{data}));
  }
  int eventfds(std::uint32_t index, std::uint32_t start, std::vector<std::int32_t> fds) {
    const auto count = static_cast<std::uint32_t>(fds.size());
    return irqs(u::irq_set_data_eventfd | u::irq_set_action_trigger, index, start, count, std::move(fds));
  }
  int intx(const Event& event) { return eventfds(u::irq_intx, 0, {event.fd}); }
  int act(std::uint32_t action, std::uint32_t index = u::irq_intx, std::uint32_t count = 1) {
    return irqs(u::irq_set_data_none | action, index, 0, count);
  }
  int unmask() { return act(u::irq_set_action_unmask); }
  int unmask_by(std::int32_t fd) {
    return irqs(u::irq_set_data_eventfd | u::irq_set_action_unmask, u::irq_intx, 0, 1, {fd});
  }

  static std::uint64_t region(std::uint32_t index, std::uint64_t offset) {
    return std::uint64_t{index} << u::region_shift | offset;
  }
  // The value, or a negative errno.
  std::int64_t peek(std::uint32_t index, std::uint64_t offset, unsigned size) {
    const auto result = file->pread(buffer, size, region(index, offset));
    std::int64_t value = 0;
    std::memcpy(&value, &caller.bytes[buffer], size);
    return result == size ? value : result;
  }
  std::int64_t poke(std::uint32_t index, std::uint64_t offset, unsigned size, std::uint64_t value) {
    std::memcpy(&caller.bytes[buffer], &value, sizeof value);
    const auto result = file->pwrite(buffer, size, region(index, offset));
    return result == size ? 0 : result;
  }
  std::int64_t cfg(std::uint64_t offset, unsigned size) { return peek(u::region_config, offset, size); }
  std::int64_t set_cfg(std::uint64_t offset, unsigned size, std::uint64_t value) {
    return poke(u::region_config, offset, size, value);
  }

  // One buffer of the guest served; its driver works without this client.
  void start_guest() { guest.start(); }
  void deliver() {
    guest.offer();
    guest.run();
    vectors.look(guest.memory);
  }

  hosted::Port port;
  iommufd::test::FakeUnit unit{port.platform()};
  iommufd::test::FakeUnit other_unit{port.platform()};
  iommufd::test::FakeDevice device{unit};
  iommufd::test::FakeCaller caller;
  iommufd::test::FakePages pages;
  iommufd::test::FakeChannels channels;
  FakeIommufds iommufds;
  FakeVectors vectors;
  FakeWakeups wakeups;
  pcie::Guest guest;
  Cdev cdev;
  std::unique_ptr<File> file;
  std::uint32_t devid{};
};

} // namespace sluice::vfio::test

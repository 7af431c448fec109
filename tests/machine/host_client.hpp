#pragma once

#include <sluice/machine/host.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>
#include <sluice/uapi/iommufd.hpp>
#include <sluice/uapi/vfio.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

// A program that uses a host as it would use a kernel: by calls on /dev/iommu and on a character device, and through
// its own memory.
namespace sluice::machine::test {

namespace i = uapi::iommufd;
namespace v = uapi::vfio;

inline std::uint64_t pointer(const void* to) { return reinterpret_cast<std::uint64_t>(to); }

// Pages of the client.
class Pages {
public:
  explicit Pages(std::size_t bytes = 0x10000, bool shared = true)
      : Pages{bytes, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1} {}
  // Of a file.
  Pages(int fd, std::size_t bytes) : Pages{bytes, MAP_SHARED, fd} {}
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { munmap(at, size); }

  std::string text(std::size_t offset, std::size_t length) const {
    return {reinterpret_cast<const char*>(at) + offset, length};
  }
  template <class T>
  void put(std::size_t offset, T value) {
    __atomic_store_n(reinterpret_cast<T*>(at + offset), value, __ATOMIC_RELEASE);
  }
  template <class T>
  T get(std::size_t offset) const {
    return __atomic_load_n(reinterpret_cast<const T*>(at + offset), __ATOMIC_ACQUIRE);
  }

  std::size_t size;
  std::byte* at;

private:
  Pages(std::size_t bytes, int flags, int fd)
      : size{bytes}, at{static_cast<std::byte*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, fd, 0))} {}
};

class Eventfd {
public:
  Eventfd() : fd{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {}
  Eventfd(const Eventfd&) = delete;
  Eventfd& operator=(const Eventfd&) = delete;
  ~Eventfd() { close(fd); }

  // Whether it is signalled within a time that is more than enough.
  bool wait(int ms = 20'000) const {
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    std::uint64_t count = 0;
    return poll(&p, 1, ms) == 1 && ::read(fd, &count, sizeof count) == sizeof count;
  }

  int fd;
};

// An open /dev/iommu, as descriptor `fd`.
class Iommu {
public:
  Iommu(Host& host, int number, iommufd::Observer* observer = nullptr)
      : fd{number}, context{host.open_iommufd(observer)} {}

  // 0 or errno.
  template <class T>
  int call(T& cmd) {
    cmd.size = sizeof cmd;
    return -context->ioctl(i::call(T::nr), pointer(&cmd));
  }
  std::uint32_t ioas() {
    i::IoasAlloc cmd;
    EXPECT_EQ(call(cmd), 0);
    return cmd.out_ioas_id;
  }
  int map(std::uint32_t ioas, std::uint64_t iova, const void* at, std::uint64_t length, std::uint32_t flags = 7) {
    i::IoasMap cmd;
    cmd.flags = flags;
    cmd.ioas_id = ioas;
    cmd.user_va = pointer(at);
    cmd.length = length;
    cmd.iova = iova;
    return call(cmd);
  }
  int unmap(std::uint32_t ioas, std::uint64_t iova, std::uint64_t length) {
    i::IoasUnmap cmd;
    cmd.ioas_id = ioas;
    cmd.iova = iova;
    cmd.length = length;
    return call(cmd);
  }
  // The id, or 0.
  std::uint32_t table(std::uint32_t device, std::uint32_t ioas, std::uint32_t flags, std::uint32_t faults = 0) {
    i::HwptAlloc cmd;
    cmd.flags = flags;
    cmd.dev_id = device;
    cmd.pt_id = ioas;
    cmd.fault_id = faults;
    return call(cmd) == 0 ? cmd.out_hwpt_id : 0;
  }
  int destroy(std::uint32_t id) {
    i::Destroy cmd;
    cmd.id = id;
    return call(cmd);
  }
  // The id, or 0.
  std::uint32_t nest_parent(std::uint32_t device, std::uint32_t ioas) {
    i::HwptAlloc cmd;
    cmd.flags = i::hwpt_nest_parent;
    cmd.dev_id = device;
    cmd.pt_id = ioas;
    return call(cmd) == 0 ? cmd.out_hwpt_id : 0;
  }

  int fd;
  std::shared_ptr<iommufd::Context> context;
};

class Iommufds final : public vfio::Iommufds {
public:
  base::Result<std::shared_ptr<iommufd::Context>> find_context(int fd) override {
    for (const Iommu* iommu : all) {
      if (iommu->fd == fd) {
        return iommu->context;
      }
    }
    return base::Errc::bad_descriptor;
  }
  std::vector<const Iommu*> all;
};

// An entropy source as its client sees it, with a driver for it. The ring lies in `pages` from `ring` on, and is known
// to the device by addresses from `iova` on, as everything in `pages` is.
class Source {
public:
  static constexpr std::uint64_t descriptors = 0, driver = 0x400, device = 0x800, buffers = 0x1000;

  Source(Host& host, unsigned function) : file{host.open_device(function)} {}
  // Of another kind of device only what all have is used.
  explicit Source(std::unique_ptr<vfio::File> opened) : file{std::move(opened)} {}

  template <class T>
  int call(std::uint32_t number, T& cmd) {
    cmd.argsz = sizeof cmd;
    return -file->ioctl(number, pointer(&cmd));
  }
  int bind(const Iommu& iommu) {
    v::BindIommufd cmd;
    cmd.iommufd = iommu.fd;
    const int result = call(v::device_bind_iommufd, cmd);
    id = cmd.out_devid;
    return result;
  }
  int attach(std::uint32_t table) {
    v::AttachIommufdPt cmd;
    cmd.pt_id = table;
    return call(v::device_attach_iommufd_pt, cmd);
  }
  int attach(std::uint32_t table, std::uint32_t pasid) {
    v::AttachIommufdPt cmd;
    cmd.flags = v::attach_pasid;
    cmd.pt_id = table;
    cmd.pasid = pasid;
    return call(v::device_attach_iommufd_pt, cmd);
  }
  int detach(std::uint32_t pasid = 0) {
    v::DetachIommufdPt cmd;
    cmd.flags = pasid != 0 ? v::attach_pasid : 0U;
    cmd.pasid = pasid;
    return call(v::device_detach_iommufd_pt, cmd);
  }
  void be_master() {
    set<std::uint16_t>(v::region_config, pcie::config::command,
                       pcie::config::command_memory_space | pcie::config::command_bus_master);
  }
  int reset() { return -file->ioctl(v::device_reset, 0); }
  int set_irqs(std::uint32_t flags, std::uint32_t index, const std::vector<std::int32_t>& fds) {
    std::vector<std::byte> bytes(sizeof(v::IrqSet) + fds.size() * 4);
    v::IrqSet cmd;
    cmd.argsz = static_cast<std::uint32_t>(bytes.size());
    cmd.flags = flags;
    cmd.index = index;
    cmd.count = (flags & v::irq_set_data_none) != 0 ? 1 : static_cast<std::uint32_t>(fds.size());
    std::memcpy(bytes.data(), &cmd, sizeof cmd);
    std::copy(fds.begin(), fds.end(), reinterpret_cast<std::int32_t*>(bytes.data() + sizeof cmd));
    return -file->ioctl(v::device_set_irqs, pointer(bytes.data()));
  }
  int intx(const Eventfd& event) {
    return set_irqs(v::irq_set_data_eventfd | v::irq_set_action_trigger, v::irq_intx, {event.fd});
  }
  int msix(const std::vector<std::int32_t>& fds) {
    return set_irqs(v::irq_set_data_eventfd | v::irq_set_action_trigger, v::irq_msix, fds);
  }
  int unmask() { return set_irqs(v::irq_set_data_none | v::irq_set_action_unmask, v::irq_intx, {}); }

  template <class T>
  T get(std::uint32_t region, std::uint64_t offset) {
    T value{};
    EXPECT_EQ(file->pread(pointer(&value), sizeof value, std::uint64_t{region} << v::region_shift | offset),
              static_cast<std::int64_t>(sizeof value));
    return value;
  }
  template <class T>
  void set(std::uint32_t region, std::uint64_t offset, T value) {
    EXPECT_EQ(file->pwrite(pointer(&value), sizeof value, std::uint64_t{region} << v::region_shift | offset),
              static_cast<std::int64_t>(sizeof value));
  }
  void set64(std::uint64_t offset, std::uint64_t value) {
    set<std::uint32_t>(0, offset, static_cast<std::uint32_t>(value));
    set<std::uint32_t>(0, offset + 4, static_cast<std::uint32_t>(value >> 32));
  }
  void set_status(std::uint8_t status) { set(0, pcie::virtio::common::device_status, status); }

  // Memory decoding, bus master, features, the queue, DRIVER_OK.
  void start(Pages& memory, std::uint64_t at_iova, std::uint16_t queue_vector = 0xffff) {
    using namespace pcie::virtio::common;
    pages = &memory;
    iova = at_iova;
    available = 0;
    std::memset(memory.at, 0, 0x1000);
    set<std::uint16_t>(v::region_config, pcie::config::command,
                       pcie::config::command_memory_space | pcie::config::command_bus_master);
    set_status(0);
    set_status(3);
    set<std::uint32_t>(0, driver_feature_select, 1);
    set<std::uint32_t>(0, driver_feature, 3);
    set_status(0xb);
    set64(queue_desc, iova + descriptors);
    set64(queue_driver, iova + driver);
    set64(queue_device, iova + device);
    if (queue_vector != 0xffff) {
      set<std::uint16_t>(0, queue_msix_vector, queue_vector);
    }
    set<std::uint16_t>(0, queue_enable, 1);
    set_status(0xf);
  }
  // One buffer of the pages.
  void offer(std::uint64_t offset = buffers, std::uint32_t length = 64) { offer_at(iova + offset, length); }
  void offer_at(std::uint64_t address, std::uint32_t length = 64) {
    pages->put<std::uint64_t>(descriptors, address);
    pages->put<std::uint64_t>(descriptors + 8, length | std::uint64_t{pcie::virtio::descriptor_write} << 32);
    pages->put<std::uint16_t>(driver + 4 + 2u * (available % 64u), 0);
    pages->put<std::uint16_t>(driver + 2, ++available);
    set<std::uint16_t>(0, pcie::VirtioRng::notify_at, 0);
  }
  std::uint16_t used() const { return pages->get<std::uint16_t>(device + 2); }
  std::uint8_t isr() { return get<std::uint8_t>(0, pcie::VirtioRng::isr_at); }

  std::unique_ptr<vfio::File> file;
  std::uint32_t id{};
  Pages* pages{};
  std::uint64_t iova{};
  std::uint16_t available{};
};

inline HostConfig small_host(unsigned functions = 1, unsigned smmus = 1) {
  HostConfig config;
  config.smmus.resize(smmus);
  for (unsigned f = 0; f < functions; ++f) {
    FunctionConfig function;
    function.address = {.device = static_cast<std::uint8_t>(3 + f)};
    function.smmu = f % smmus;
    function.rng.name = "rng" + std::to_string(f);
    config.functions.push_back(function);
  }
  return config;
}

} // namespace sluice::machine::test

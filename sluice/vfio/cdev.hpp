#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/iommu/device.hpp>
#include <sluice/iommufd/device.hpp>
#include <sluice/pcie/function.hpp>
#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/bar_mapping.hpp>
#include <sluice/vfio/config_view.hpp>
#include <sluice/vfio/host.hpp>
#include <sluice/vfio/interrupts.hpp>
#include <sluice/vfio/ioeventfds.hpp>

#include <cstdint>
#include <memory>
#include <optional>

namespace sluice::vfio {

class File;

struct CdevConfig {
  iommufd::DeviceFacts facts{}; // but for what configuration space and driver say of PASIDs and ATS
  bool show_pasid{};            // in configuration space, which vfio-pci does not
  bool dynamic_msix{true};      // vectors can be added while others are in use (NORESIZE is clear)
};

// One device's character device, /dev/vfio/devices/vfioN. It outlives its files, and its function's requests.
class Cdev {
public:
  Cdev(pcie::Function& function, iommu::Device& device, const Host& host, CdevConfig config = {});
  Cdev(const Cdev&) = delete;
  Cdev& operator=(const Cdev&) = delete;

  // Any number of times; one of them can be bound at a time.
  std::unique_ptr<File> open();

  pcie::Function& function() { return function_; }
  // An unplug that the client is asked for, or an error that it is told of.
  void signal_request() { interrupts_.signal_request(); }
  void signal_error() { interrupts_.signal_error(); }

private:
  friend class File;

  // With mutex_ held.
  void start();
  void stop();
  void reset();
  void reset_function();
  // With power_mutex_ held.
  void leave_low_power();
  void wake();
  void write_register(const Ioeventfds::Place& place);

  pcie::Function& function_;
  iommu::Device& device_;
  Host host_;
  CdevConfig config_;
  platform::Mutex mutex_; // of binding, attaching and resets
  bool bound_{};

  platform::Mutex view_mutex_;
  ConfigView view_;
  Interrupts interrupts_;
  Ioeventfds ioeventfds_;
  base::Atomic<bool> memory_enabled_{false};

  platform::Mutex power_mutex_;
  base::Atomic<bool> low_power_{false}; // its memory does not answer
  Eventfd wakeup_{};
};

// One open of a Cdev. Calls may come from several threads; none is under way when it is destroyed.
class File {
public:
  explicit File(Cdev& cdev) : cdev_{cdev} {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  // Gives the device back: stopped, reset and unbound.
  ~File();

  // `argument` is the caller's pointer. 0, or a negative errno.
  int ioctl(std::uint32_t number, std::uint64_t argument);
  // `buffer` is the caller's pointer. Bytes moved, or a negative errno.
  std::int64_t pread(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset);
  std::int64_t pwrite(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset);
  // As a shared mmap() of whole pages would: a BAR that is memory, as far as it reaches. Errors: invalid_argument.
  base::Result<BarMapping> map(std::uint64_t offset, std::uint64_t length);

  // 0 unless bound.
  std::uint32_t device_id() const;

private:
  using Status = base::Status;
  using Progress = base::Result<std::uint64_t>;
  struct Access {
    std::uint64_t buffer;
    std::uint64_t count;
    bool write;
  };

  Status dispatch(std::uint32_t number, std::uint64_t argument);
  Status bind(std::uint64_t argument);
  Status bind_locked(const std::optional<std::uint64_t>& token, int iommufd, std::uint64_t out_id);
  Status attach(std::uint64_t argument);
  template <class T>
  Status read_target(std::uint64_t argument, T& cmd);
  Status detach(std::uint64_t argument);
  Status get_info(std::uint64_t argument);
  Status get_region_info(std::uint64_t argument);
  Status add_region_capabilities(std::uint64_t argument, uapi::vfio::RegionInfo& info);
  Status get_irq_info(std::uint64_t argument);
  Status set_irqs(std::uint64_t argument);
  Status reset();
  Status get_hot_reset_info(std::uint64_t argument);
  Status hot_reset(std::uint64_t argument);
  Status feature(std::uint64_t argument);
  Status low_power(const uapi::vfio::Feature& cmd, std::uint64_t data);
  Status ioeventfd(std::uint64_t argument);

  std::int64_t access(const Access& access, std::uint64_t offset);
  Progress access_region(const Access& access, std::uint64_t offset);
  Progress access_config(const Access& access, std::uint64_t at);
  Progress access_bar(const Access& access, unsigned bar, std::uint64_t at);
  Status move_config(const Access& piece, std::uint16_t at);
  Status move_bar(const Access& piece, unsigned bar, std::uint64_t at);

  iommufd::Caller& caller() { return cdev_.host_.caller; }
  template <class T>
  Status read(std::uint64_t from, T& into, std::size_t size = sizeof(T));
  template <class T>
  Status write(std::uint64_t to, const T& from, std::size_t size = sizeof(T));

  Cdev& cdev_;
  std::shared_ptr<iommufd::Context> context_;
  iommufd::Device* device_{};
  base::Atomic<bool> granted_{false}; // bound, and everything is there
};

template <class T>
base::Status File::read(std::uint64_t from, T& into, std::size_t size) {
  return caller().read(from, std::as_writable_bytes(std::span{&into, 1}).first(size));
}

template <class T>
base::Status File::write(std::uint64_t to, const T& from, std::size_t size) {
  return caller().write(to, std::as_bytes(std::span{&from, 1}).first(size));
}

} // namespace sluice::vfio

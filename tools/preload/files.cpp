#include "files.hpp"

#include "accelerator.hpp"
#include "descriptors.hpp"
#include "process.hpp"
#include "real.hpp"
#include "report.hpp"
#include "settings.hpp"

#include <sluice/machine/process.hpp>
#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/vfio.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <sys/mman.h>

namespace sluice::preload {

namespace {

using base::Errc;

constexpr std::uint64_t device_bytes = std::uint64_t{uapi::vfio::region_count} << uapi::vfio::region_shift;

// /dev/iommu. A given one is there before the machine is.
class Iommufd final : public File {
public:
  std::shared_ptr<iommufd::Context> context() {
    std::call_once(once_, [this] {
      if (machine::Host* const h = host()) {
        context_ = open_iommufd(*h);
      }
    });
    return context_;
  }
  int ioctl(std::uint32_t number, std::uint64_t argument) override {
    const auto open = context();
    return open ? open->ioctl(number, argument) : -ENODEV;
  }
  // As Linux: only what a driver has handed out is there to be mapped, and ours hand nothing out.
  int map(const MapRequest& request, const std::shared_ptr<File>&, Shown&) override {
    if (!request.shared) {
      return -EINVAL;
    }
    return (request.protection & PROT_EXEC) != 0 ? -EPERM : -ENXIO;
  }
  std::uint64_t device_number() const override { return iommu_device_number(); }

private:
  std::once_flag once_;
  std::shared_ptr<iommufd::Context> context_;
};

// What a call's structure holds now, for the record.
class Copy {
public:
  explicit Copy(std::uint64_t argument) {
    machine::ProcessCaller caller;
    std::uint32_t size = 0;
    if (caller.read(argument, std::as_writable_bytes(std::span{&size, 1}))) {
      size_ = std::min<std::size_t>(size, bytes_.size());
      size_ = caller.read(argument, std::span{bytes_}.first(size_)) ? size_ : 0;
    }
  }
  std::span<const std::byte> bytes() const { return std::span{bytes_}.first(size_); }

private:
  std::array<std::byte, 64> bytes_{};
  std::size_t size_{};
};

// /dev/vfio/devices/vfioN.
class Device final : public File {
public:
  explicit Device(unsigned function) : function_{function} {}

  vfio::File* file() {
    std::call_once(once_, [this] {
      if (machine::Host* const h = host()) {
        file_ = function_ < h->functions() ? h->open_device(function_) : h->open_engine(function_ - h->functions());
      }
    });
    return file_.get();
  }
  int ioctl(std::uint32_t number, std::uint64_t argument) override {
    vfio::File* const open = file();
    if (open == nullptr) {
      return -ENODEV;
    }
    advise::Recorder* const r = recorder();
    if (r == nullptr) {
      return open->ioctl(number, argument);
    }
    const Copy before{argument};
    const int result = open->ioctl(number, argument);
    r->record_device(function_, number, before.bytes(), Copy{argument}.bytes(), -result);
    return result;
  }
  ssize_t pread(void* into, std::size_t size, std::uint64_t offset) override {
    vfio::File* const open = file();
    return open != nullptr ? open->pread(reinterpret_cast<std::uint64_t>(into), size, offset) : -ENODEV;
  }
  ssize_t pwrite(const void* from, std::size_t size, std::uint64_t offset) override {
    vfio::File* const open = file();
    return open != nullptr ? open->pwrite(reinterpret_cast<std::uint64_t>(from), size, offset) : -ENODEV;
  }
  int map(const MapRequest& request, const std::shared_ptr<File>& self, Shown& shown) override {
    struct Kept {
      std::shared_ptr<File> file;
      vfio::BarMapping bar; // which ends first
    };
    vfio::File* const open = file();
    if (open == nullptr) {
      return -ENODEV;
    }
    if (!request.shared) {
      return -EINVAL;
    }
    auto bar = open->map(request.offset, request.size);
    if (!bar) {
      return -static_cast<int>(uapi::to_errno(bar.error()));
    }
    shown.memory = bar->bytes().data();
    shown.keep = std::make_shared<Kept>(Kept{self, std::move(*bar)});
    return 0;
  }
  std::uint64_t device_number() const override { return vfio_device_number(function_); }

private:
  const unsigned function_;
  std::once_flag once_;
  std::unique_ptr<vfio::File> file_;
};

class OpenFiles final : public vfio::Iommufds {
public:
  base::Result<std::shared_ptr<iommufd::Context>> find_context(int fd) override {
    if (const auto file = descriptors().find(fd)) {
      if (auto* const iommufd = dynamic_cast<Iommufd*>(file.get())) {
        if (auto context = iommufd->context()) {
          return context;
        }
        return Errc::no_device;
      }
      return Errc::wrong_descriptor;
    }
    return real().fcntl(fd, F_GETFD) < 0 ? Errc::bad_descriptor : Errc::wrong_descriptor;
  }
};

// A queue that /dev/iommu has handed out.
class Queue final : public File {
public:
  explicit Queue(std::shared_ptr<machine::QueueLink> link) : link_{std::move(link)} {}

  int ioctl(std::uint32_t, std::uint64_t) override { return -ENOTTY; }
  bool is_stream() const override { return true; }
  ssize_t read(int fd, void* into, std::size_t size) override {
    return link_->read(fd, reinterpret_cast<std::uint64_t>(into), size);
  }
  ssize_t write(const void* from, std::size_t size) override {
    return link_->write(reinterpret_cast<std::uint64_t>(from), size);
  }
  // It has no offsets, as an eventfd has none.
  ssize_t pread(void*, std::size_t, std::uint64_t) override { return -ESPIPE; }
  ssize_t pwrite(const void*, std::size_t, std::uint64_t) override { return -ESPIPE; }
  int map(const MapRequest&, const std::shared_ptr<File>&, Shown&) override { return -ENODEV; }
  std::uint64_t device_number() const override { return 0; }

private:
  std::shared_ptr<machine::QueueLink> link_;
};

int open_marker() {
  const int fd = memfd_create("sluice-marker", MFD_CLOEXEC);
  if (fd >= 0 && (write(fd, "", 1) != 1 || lseek(fd, 0, SEEK_SET) != 0)) {
    real().close(fd);
    errno = EIO;
    return -1;
  }
  return fd;
}

int open_file(std::shared_ptr<File> file, std::uint64_t bytes) {
  if (host() == nullptr) {
    errno = ENODEV;
    return -1;
  }
  return descriptors().add(std::move(file), bytes);
}

} // namespace

int open_device(const Path& path) {
  switch (path.kind) {
  case PathKind::iommu:
    return open_file(std::make_shared<Iommufd>(), 0);
  case PathKind::vfio:
    return open_file(std::make_shared<Device>(path.vfio), device_bytes);
  case PathKind::marker_on:
    set_accelerator(true);
    return open_marker();
  case PathKind::marker_off:
    set_accelerator(false);
    return open_marker();
  case PathKind::sysfs:
  case PathKind::other:
    break;
  }
  errno = ENOENT;
  return -1;
}

void make_given_descriptors() {
  for (const auto& [number, what] : settings().given) {
    if (real().fcntl(number, F_GETFD) >= 0) {
      fail("descriptor %d was to become %s, but is open already; expected a number that is free", number, what.c_str());
    }
    std::shared_ptr<File> file;
    if (what == "iommu") {
      file = std::make_shared<Iommufd>();
    } else {
      const auto& all = functions();
      const auto found = std::find(all.begin(), all.end(), what);
      if (found == all.end()) {
        fail("descriptor %d was to become %s, which the machine does not have; expected iommu or the address of a "
             "function, such as %s",
             number, what.c_str(), all.empty() ? "0000:00:03.0" : all.front().c_str());
      }
      file = std::make_shared<Device>(static_cast<unsigned>(found - all.begin()));
    }
    if (descriptors().add(file, what == "iommu" ? 0 : device_bytes, number) < 0) {
      fail("descriptor %d cannot be made: %s", number,
           errno == EBADF || errno == EMFILE ? "expected a number below `ulimit -n` and 65536" : std::strerror(errno));
    }
  }
}

void give_queue(int fd, std::shared_ptr<machine::QueueLink> link) {
  descriptors().adopt(fd, std::make_shared<Queue>(std::move(link)));
}

vfio::Iommufds& open_files() {
  static OpenFiles all;
  return all;
}

} // namespace sluice::preload

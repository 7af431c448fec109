#include <sluice/vfio/eventfd.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace sluice::vfio {

using base::Errc;

namespace {

bool is_eventfd(int fd) {
  std::array<char, 64> target{};
  const auto size = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target.data(), target.size());
  return size > 0 && std::string_view{target.data(), static_cast<std::size_t>(size)} == "anon_inode:[eventfd]";
}

// write() waits where the count is full and the client has not said O_NONBLOCK, and it may fill it between a look and a
// write. The kernel itself adds to it without waiting, and up to the very last count: here, for having read nothing of
// an empty file.
class KernelSignal {
public:
  KernelSignal() : empty_{memfd_create("sluice-nothing", MFD_CLOEXEC)} {
    if (syscall(SYS_io_setup, most_at_once, &context_) != 0) {
      context_ = 0;
    }
  }

  // False: it cannot be had here.
  bool signal(int fd) {
    iocb read{};
    read.aio_lio_opcode = IOCB_CMD_PREAD;
    read.aio_fildes = static_cast<std::uint32_t>(empty_);
    read.aio_flags = IOCB_FLAG_RESFD;
    read.aio_resfd = static_cast<std::uint32_t>(fd);
    iocb* const one = &read;
    const bool done = context_ != 0 && syscall(SYS_io_submit, context_, 1, &one) == 1;
    std::array<io_event, 8> told;
    if (context_ != 0) {
      syscall(SYS_io_getevents, context_, 0, told.size(), told.data(), nullptr); // ours or another's
    }
    return done;
  }

private:
  static constexpr unsigned most_at_once = 64;
  aio_context_t context_{};
  int empty_;
};

// Never destroyed: devices signal until the process ends.
KernelSignal& kernel_signal() {
  static auto* const one = new KernelSignal;
  return *one;
}

} // namespace

Eventfd::~Eventfd() {
  if (fd_ != none) {
    close(fd_);
  }
}

base::Result<Eventfd> Eventfd::duplicate(int fd) {
  Eventfd own{fcntl(fd, F_DUPFD_CLOEXEC, 0)};
  if (!own) {
    return Errc::bad_descriptor;
  }
  if (!is_eventfd(own.fd_)) {
    return Errc::invalid_argument;
  }
  return own;
}

void Eventfd::signal() const {
  if (fd_ == none) {
    return;
  }
  if ((fcntl(fd_, F_GETFL) & O_NONBLOCK) == 0) {
    if (kernel_signal().signal(fd_)) {
      return;
    }
    pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) {
      return;
    }
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
}

bool Eventfd::take() const {
  std::uint64_t count = 0;
  const iovec into{&count, sizeof count};
  return preadv2(fd_, &into, 1, -1, RWF_NOWAIT) == sizeof count;
}

} // namespace sluice::vfio

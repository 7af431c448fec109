#include <sluice/vfio/eventfd.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace sluice::vfio {

using base::Errc;

namespace {

bool is_eventfd(int fd) {
  std::array<char, 64> target{};
  const auto size = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target.data(), target.size());
  return size > 0 && std::string_view{target.data(), static_cast<std::size_t>(size)} == "anon_inode:[eventfd]";
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
  // The client decides whether its eventfd blocks. Only a full one would.
  pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
  if (fd_ == none || poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) {
    return;
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
}

} // namespace sluice::vfio

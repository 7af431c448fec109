#include <sluice/remote/stream.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sluice::remote {

using base::Errc;
using base::Status;
using hosted::Fd;

namespace {

// Takes what came along. False: there was more than fits.
bool take_fds(msghdr& message, std::vector<Fd>& fds) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return (message.msg_flags & MSG_CTRUNC) == 0 && fds.size() <= Stream::most_fds;
}

} // namespace

Status Stream::wait(short events) const {
  pollfd waiting{socket_.get(), events, 0};
  int ready;
  do {
    ready = ::poll(&waiting, 1, limit_ms_);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 ? Status{} : Status{ready == 0 ? Errc::timed_out : Errc::io_error};
}

Status Stream::receive(std::span<std::byte> into, std::vector<Fd>& fds) {
  while (!into.empty()) {
    if (auto ready = wait(POLLIN); !ready) {
      return ready;
    }
    alignas(cmsghdr) char control[CMSG_SPACE(most_fds * sizeof(int))];
    iovec part{into.data(), into.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (got <= 0) {
      return got == 0 || errno == ECONNRESET ? Errc::no_device : Errc::io_error;
    }
    if (!take_fds(message, fds)) {
      return Errc::protocol;
    }
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Status Stream::send(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (auto ready = wait(POLLOUT); !ready) {
      return ready;
    }
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (sent < 0) {
      return errno == EPIPE || errno == ECONNRESET ? Errc::no_device : Errc::io_error;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

} // namespace sluice::remote

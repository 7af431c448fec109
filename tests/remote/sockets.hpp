#pragma once

#include <sluice/hosted/fd.hpp>

#include <gtest/gtest.h>

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace sluice::remote::test {

struct Sockets {
  Sockets() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours = hosted::Fd{ends[0]};
    theirs = hosted::Fd{ends[1]};
  }
  // What a client sends at once, with descriptors.
  void send(std::span<const std::byte> bytes, std::size_t fds = 0) {
    const hosted::Fd event{::eventfd(0, EFD_CLOEXEC)};
    std::vector<int> numbers(fds, event.get());
    std::vector<std::byte> control(CMSG_SPACE(fds * sizeof(int)));
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fds != 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* const head = CMSG_FIRSTHDR(&message);
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN(fds * sizeof(int));
      std::memcpy(CMSG_DATA(head), numbers.data(), fds * sizeof(int));
    }
    EXPECT_EQ(::sendmsg(theirs.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // What has been answered so far.
  std::vector<std::byte> answered() const {
    std::vector<std::byte> bytes(1 << 17);
    const ssize_t got = ::recv(theirs.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
  }

  hosted::Fd ours, theirs;
};

} // namespace sluice::remote::test

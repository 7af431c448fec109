#include <sluice/hosted/packets.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <latch>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

namespace sluice::hosted {
namespace {

using Packet = std::array<std::byte, 40>;

Packet numbered(unsigned n) {
  Packet p{};
  p[0] = static_cast<std::byte>(n);
  p[39] = static_cast<std::byte>(n >> 8);
  return p;
}

class PacketSocketThreads : public testing::Test {
protected:
  void open(std::function<void()> on_room = [] {}) {
    socket = *PacketSocket::open(sockets, std::move(on_room));
    client = socket->client_end();
    fcntl(client, F_SETFL, O_NONBLOCK);
  }
  ~PacketSocketThreads() override {
    if (client >= 0) {
      close(client);
    }
  }
  // Bytes of one read, or a negative errno.
  ssize_t receive(std::span<std::byte> into) const {
    const ssize_t got = ::read(client, into.data(), into.size());
    return got < 0 ? -errno : got;
  }
  unsigned fill() { return fill(*socket); }
  static unsigned fill(PacketSocket& into) {
    unsigned sent = 0;
    while (sent < 1'000'000 && into.send(numbered(sent))) {
      ++sent;
    }
    return sent;
  }

  PacketSockets sockets;
  std::unique_ptr<PacketSocket> socket;
  int client{-1};
};

TEST_F(PacketSocketThreads, AReadGivesOnePacketHoweverMuchIsAskedFor) {
  open();
  const std::array<std::byte, 8> small{std::byte{9}};
  ASSERT_TRUE(socket->send(numbered(1)));
  ASSERT_TRUE(socket->send(small));
  ASSERT_TRUE(socket->send(numbered(2)));
  std::array<std::byte, 256> into{};
  EXPECT_EQ(receive(into), 40);
  EXPECT_EQ(into[0], std::byte{1});
  EXPECT_EQ(receive(into), 8);
  EXPECT_EQ(into[0], std::byte{9});
  EXPECT_EQ(receive(into), 40);
  EXPECT_EQ(receive(into), -EAGAIN);
}

TEST_F(PacketSocketThreads, TheClientsEndSaysWhenThereIsSomethingToRead) {
  open();
  pollfd p{client, POLLIN, 0};
  EXPECT_EQ(poll(&p, 1, 0), 0);
  ASSERT_TRUE(socket->send(numbered(1)));
  EXPECT_EQ(poll(&p, 1, 0), 1);
  EXPECT_EQ(p.revents, POLLIN);
}

TEST_F(PacketSocketThreads, UnreadPacketsAreCounted) {
  open();
  EXPECT_EQ(socket->unread(), 0u);
  for (unsigned n = 1; n <= 5; ++n) {
    ASSERT_TRUE(socket->send(numbered(n)));
    EXPECT_EQ(socket->unread(), n);
  }
  Packet into{};
  ASSERT_EQ(receive(into), 40);
  EXPECT_EQ(socket->unread(), 4u);
}

TEST_F(PacketSocketThreads, AFullOneRefusesInsteadOfWaitingAndTellsWhenThereIsRoom) {
  std::latch told{1};
  std::atomic<int> times{0};
  open([&] {
    if (++times == 1) {
      told.count_down();
    }
  });
  const unsigned sent = fill();
  ASSERT_GT(sent, 16u) << "more than a pipe has pages";
  ASSERT_LT(sent, 1'000'000u);
  EXPECT_EQ(times, 0);
  for (unsigned n = 0; n < sent; ++n) {
    Packet into{};
    ASSERT_EQ(receive(into), 40);
    ASSERT_EQ(into, numbered(n)) << "in order, none lost";
  }
  told.wait();
  EXPECT_TRUE(socket->send(numbered(7)));
}

TEST_F(PacketSocketThreads, RoomThatComesWhileItIsToldIsToldAgain) {
  std::atomic<unsigned> refilled{0};
  PacketSocket* full = nullptr; // `socket` is empty already while it is destroyed
  open([&] { refilled += fill(*full); });
  full = socket.get();
  const unsigned sent = fill();
  Packet into{};
  unsigned received = 0;
  pollfd p{client, POLLIN, 0};
  while (received < 4 * sent && poll(&p, 1, 20'000) == 1) {
    received += receive(into) == 40 ? 1 : 0;
  }
  EXPECT_EQ(received, 4 * sent);
  socket.reset();
  EXPECT_GE(refilled, 3 * sent);
}

TEST_F(PacketSocketThreads, WhoIsDestroyedIsNotToldAnyMore) {
  std::atomic<bool> gone{false};
  std::atomic<bool> late{false};
  open([&] { late = late || gone; });
  const unsigned sent = fill();
  Packet into{};
  for (unsigned n = 0; n < sent; ++n) {
    ASSERT_EQ(receive(into), 40);
  }
  socket.reset();
  gone = true;
  open();
  fill(); // the thread that waits goes on for others
  EXPECT_FALSE(late);
}

TEST_F(PacketSocketThreads, AClientThatHasGoneIsNoticedAndItsPacketsAreDropped) {
  open();
  EXPECT_TRUE(socket->connected());
  const int second = dup(client);
  close(client);
  EXPECT_TRUE(socket->connected()) << "another descriptor of its";
  close(second);
  client = -1;
  EXPECT_FALSE(socket->connected());
  EXPECT_TRUE(socket->send(numbered(1)));
}

TEST_F(PacketSocketThreads, TheClientFindsTheEndWhenOursIsGone) {
  open();
  ASSERT_TRUE(socket->send(numbered(1)));
  socket.reset();
  Packet into{};
  EXPECT_EQ(receive(into), 40) << "what was sent before";
  EXPECT_EQ(receive(into), 0);
}

TEST_F(PacketSocketThreads, WithoutDescriptorsThereIsNone) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  errno = 77;
  const auto made = PacketSocket::open(sockets, [] {});
  EXPECT_EQ(errno, 77) << "errno is the caller's";
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(made.error(), base::Errc::no_memory);
}

} // namespace
} // namespace sluice::hosted

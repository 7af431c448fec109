#include <sluice/hosted/packets.hpp>

#include <sluice/hosted/signals.hpp>

#include <algorithm>
#include <cerrno>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace sluice::hosted {

using base::Errc;
using base::Order;

namespace {

struct KeepErrno {
  int before{errno};
  ~KeepErrno() { errno = before; }
};

} // namespace

base::Result<std::unique_ptr<PacketSocket>> PacketSocket::open(PacketSockets& sockets, std::function<void()> on_room) {
  const KeepErrno keep;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Errc::no_memory;
  }
  return std::unique_ptr<PacketSocket>{new PacketSocket{sockets, std::move(on_room), ends[0], ends[1]}};
}

PacketSocket::~PacketSocket() {
  sockets_.forget(*this);
  const KeepErrno keep;
  close(ours_);
}

bool PacketSocket::send(std::span<const std::byte> packet) {
  const KeepErrno keep;
  const bool was_empty = queued_bytes() == 0;
  if (::send(ours_, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return true; // nobody reads any more
    }
    sockets_.watch(*this);
    return false;
  }
  if (was_empty) {
    packet_cost_.store(std::max<std::uint64_t>(queued_bytes(), 1), Order::relaxed);
  }
  return true;
}

// The kernel counts the memory of what was not read.
std::size_t PacketSocket::unread() const {
  const KeepErrno keep;
  const std::uint64_t cost = packet_cost_.load(Order::relaxed);
  return (queued_bytes() + cost - 1) / cost;
}

bool PacketSocket::connected() const {
  const KeepErrno keep;
  pollfd poll_for{ours_, 0, 0};
  return poll(&poll_for, 1, 0) >= 0 && (poll_for.revents & POLLHUP) == 0;
}

std::uint64_t PacketSocket::queued_bytes() const {
  int bytes = 0;
  return ioctl(ours_, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

PacketSockets::~PacketSockets() {
  if (thread_.joinable()) {
    thread_.request_stop();
    changed_.notify_all();
    thread_.join();
  }
}

void PacketSockets::watch(PacketSocket& socket) {
  const std::lock_guard guard{mutex_};
  full_.insert(&socket);
  if (!thread_.joinable()) {
    const SignalsBlocked blocked;
    thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
  }
  changed_.notify_all();
}

void PacketSockets::forget(PacketSocket& socket) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] {
    full_.erase(&socket); // who is being told of room may fill it again
    return served_ != &socket;
  });
}

void PacketSockets::run(const std::stop_token& stop) {
  constexpr int look_again_ms = 20; // for sockets that were added or closed meanwhile
  std::unique_lock lock{mutex_};
  while (changed_.wait(lock, stop, [&] { return !full_.empty(); })) {
    std::vector<pollfd> polled;
    for (const PacketSocket* socket : full_) {
      polled.push_back({socket->ours_, POLLOUT, 0});
    }
    lock.unlock();
    poll(polled.data(), polled.size(), look_again_ms);
    lock.lock();
    for (const pollfd& one : polled) {
      const auto it =
          std::find_if(full_.begin(), full_.end(), [&](const PacketSocket* c) { return c->ours_ == one.fd; });
      if (one.revents == 0 || it == full_.end()) {
        continue;
      }
      served_ = *it;
      full_.erase(it);
      lock.unlock();
      served_->on_room_();
      lock.lock();
      served_ = nullptr;
      changed_.notify_all();
    }
  }
}

} // namespace sluice::hosted

#include <sluice/machine/channels.hpp>

#include <sluice/base/atomic.hpp>

#include <algorithm>
#include <cerrno>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace sluice::machine {

using base::Errc;
using base::Order;

namespace {

struct KeepErrno {
  int before{errno};
  ~KeepErrno() { errno = before; }
};

} // namespace

// Two ends of a sequenced packet socket. The client closes its own.
class SocketChannel final : public iommufd::Channel {
public:
  SocketChannel(Channels& channels, iommufd::ChannelUser& user, int client, int ours)
      : channels_{channels}, user_{user}, client_{client}, ours_{ours} {}
  ~SocketChannel() override {
    channels_.forget(*this);
    const KeepErrno keep;
    close(ours_);
  }

  int descriptor() const override { return client_; }

  bool send(std::span<const std::byte> packet) override {
    const KeepErrno keep;
    const bool was_empty = queued_bytes() == 0;
    if (::send(ours_, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        return true; // nobody reads any more
      }
      channels_.watch(*this);
      return false;
    }
    if (was_empty) {
      packet_cost_.store(std::max<std::uint64_t>(queued_bytes(), 1), Order::relaxed);
    }
    return true;
  }

  // The kernel counts the memory of what was not read; all packets cost the same.
  std::size_t unread() const override {
    const KeepErrno keep;
    const std::uint64_t cost = packet_cost_.load(Order::relaxed);
    return (queued_bytes() + cost - 1) / cost;
  }

  bool connected() const override {
    const KeepErrno keep;
    pollfd poll_for{ours_, 0, 0};
    return poll(&poll_for, 1, 0) >= 0 && (poll_for.revents & POLLHUP) == 0;
  }

private:
  friend class Channels;

  std::uint64_t queued_bytes() const {
    int bytes = 0;
    return ioctl(ours_, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
  }

  Channels& channels_;
  iommufd::ChannelUser& user_;
  int client_;
  int ours_;
  base::Atomic<std::uint64_t> packet_cost_{1};
};

base::Result<iommufd::Channel*> Channels::open(iommufd::ChannelUser& user) {
  const KeepErrno keep;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Errc::no_memory;
  }
  return new SocketChannel{*this, user, ends[0], ends[1]};
}

Channels::~Channels() {
  if (thread_.joinable()) {
    thread_.request_stop();
    changed_.notify_all();
    thread_.join();
  }
}

void Channels::watch(SocketChannel& channel) {
  const std::lock_guard guard{mutex_};
  full_.insert(&channel);
  if (!thread_.joinable()) {
    thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
  }
  changed_.notify_all();
}

void Channels::forget(SocketChannel& channel) {
  std::unique_lock lock{mutex_};
  full_.erase(&channel);
  changed_.wait(lock, [&] { return served_ != &channel; });
}

void Channels::run(const std::stop_token& stop) {
  constexpr int look_again_ms = 20; // for channels that were added or closed meanwhile
  std::unique_lock lock{mutex_};
  while (changed_.wait(lock, stop, [&] { return !full_.empty(); })) {
    std::vector<pollfd> polled;
    for (const SocketChannel* channel : full_) {
      polled.push_back({channel->ours_, POLLOUT, 0});
    }
    lock.unlock();
    poll(polled.data(), polled.size(), look_again_ms);
    lock.lock();
    for (const pollfd& one : polled) {
      const auto it =
          std::find_if(full_.begin(), full_.end(), [&](const SocketChannel* c) { return c->ours_ == one.fd; });
      if (one.revents == 0 || it == full_.end()) {
        continue;
      }
      served_ = *it;
      full_.erase(it);
      lock.unlock();
      served_->user_.on_room();
      lock.lock();
      served_ = nullptr;
      changed_.notify_all();
    }
  }
}

} // namespace sluice::machine

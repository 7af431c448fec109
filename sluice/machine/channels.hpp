#pragma once

#include <sluice/hosted/packets.hpp>
#include <sluice/iommufd/host.hpp>
#include <sluice/machine/queues.hpp>

namespace sluice::machine {

// Packet descriptors for the clients of iommufd.
class Channels final : public iommufd::Channels {
public:
  explicit Channels(platform::Sync& sync) : queues_{sync} {}

  base::Result<iommufd::Channel*> open(iommufd::ChannelUser& user) override {
    auto socket = hosted::PacketSocket::open(sockets_, [&user] { user.on_room(); });
    if (!socket) {
      return socket.error();
    }
    return new Channel{std::move(*socket)};
  }

  base::Result<iommufd::QueueDescriptor*> open_queue(iommufd::QueueFile& file) override {
    auto queue = QueueDescriptor::open(queues_, file);
    if (!queue) {
      return queue.error();
    }
    return queue->release();
  }
  Queues& queues() { return queues_; }

private:
  class Channel final : public iommufd::Channel {
  public:
    explicit Channel(std::unique_ptr<hosted::PacketSocket> socket) : socket_{std::move(socket)} {}
    ~Channel() override {
      if (!given_) {
        close_straight(socket_->client_end());
      }
    }
    int descriptor() const override { return socket_->client_end(); }
    void give() override { given_ = true; }
    bool send(std::span<const std::byte> packet) override { return socket_->send(packet); }
    std::size_t unread() const override { return socket_->unread(); }
    bool connected() const override { return socket_->connected(); }

  private:
    std::unique_ptr<hosted::PacketSocket> socket_;
    bool given_{};
  };

  hosted::PacketSockets sockets_;
  Queues queues_;
};

} // namespace sluice::machine

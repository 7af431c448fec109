#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/base/result.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <thread>

namespace sluice::hosted {

class PacketSocket;

// Waits, in a thread of its own that the first full socket starts, for room in those that were found full.
class PacketSockets {
public:
  PacketSockets() = default;
  PacketSockets(const PacketSockets&) = delete;
  PacketSockets& operator=(const PacketSockets&) = delete;
  ~PacketSockets();

private:
  friend class PacketSocket;

  void watch(PacketSocket& socket);
  void forget(PacketSocket& socket);
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::set<PacketSocket*> full_;
  PacketSocket* served_{}; // its owner is being told
  std::jthread thread_;
};

// Our end of a descriptor of the kernel that delivers one packet a read, so that a client may wait for it in any way it
// likes. The client closes its own end.
class PacketSocket {
public:
  // `on_room` is called from another thread when a socket that was full takes packets again. Errors: no_memory (no
  // descriptor is left).
  static base::Result<std::unique_ptr<PacketSocket>> open(PacketSockets& sockets, std::function<void()> on_room);
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;
  // Returns when on_room is not running and will not be called again.
  ~PacketSocket();

  int client_end() const { return client_; }
  // Never waits; false when it takes no more now. A packet for a client that has gone is dropped.
  bool send(std::span<const std::byte> packet);
  // Packets that the client has not read, all being of one size.
  std::size_t unread() const;
  // Whether a client still has its end open.
  bool connected() const;

private:
  friend class PacketSockets;

  PacketSocket(PacketSockets& sockets, std::function<void()> on_room, int client, int ours)
      : sockets_{sockets}, on_room_{std::move(on_room)}, client_{client}, ours_{ours} {}
  std::uint64_t queued_bytes() const;

  PacketSockets& sockets_;
  std::function<void()> on_room_;
  int client_;
  int ours_;
  base::Atomic<std::uint64_t> packet_cost_{1};
};

} // namespace sluice::hosted

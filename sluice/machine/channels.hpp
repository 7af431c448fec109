#pragma once

#include <sluice/iommufd/host.hpp>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace sluice::machine {

class SocketChannel;

// Packet descriptors of the kernel, so that a client may wait for them in any way it likes. One thread waits for room
// in those that were found full.
class Channels final : public iommufd::Channels {
public:
  Channels() = default;
  Channels(const Channels&) = delete;
  Channels& operator=(const Channels&) = delete;
  ~Channels();

  base::Result<iommufd::Channel*> open(iommufd::ChannelUser& user) override;

private:
  friend class SocketChannel;

  void watch(SocketChannel& channel);
  void forget(SocketChannel& channel);
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::set<SocketChannel*> full_;
  SocketChannel* served_{}; // its user is being told
  std::jthread thread_;     // started with the first full channel
};

} // namespace sluice::machine

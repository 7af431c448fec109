#pragma once

#include <sluice/base/result.hpp>
#include <sluice/hosted/fd.hpp>
#include <sluice/pcie/virtqueue.hpp>
#include <sluice/remote/vhost_facts.hpp>
#include <sluice/vfio/eventfd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::remote {

// A virtio device with one queue, whose driver somebody else has to do with.
class VhostDevice {
public:
  // Besides those of the protocol.
  virtual std::uint64_t features() const = 0;
  virtual std::uint16_t largest_queue() const = 0;
  virtual void start(const pcie::QueueLayout& layout, pcie::QueueRules rules, std::uint16_t next) = 0;
  // The index to go on from.
  virtual std::uint16_t stop() = 0;

  struct Ran {
    bool interrupt{}; // the driver wants to be told
    bool more{};      // there is more to do
    bool broken{};    // the driver has to reset the device
  };
  // What the queue holds, at most one queue of buffers. Between start() and stop().
  virtual Ran run() = 0;

protected:
  ~VhostDevice() = default;
};

// The device's side of vhost-user, message by message. A client without an IOMMU of its own takes the numbers that the
// guest has put into the rings' registers for guest-physical addresses; turned back from the client's own addresses
// they are what the guest meant, which is IOVAs where the guest's device is behind an SMMU. Rings have to lie in
// memory that the client has told of.
class VhostUser {
public:
  explicit VhostUser(VhostDevice& device) : device_{device} {}

  struct Answer {
    base::Status status{};
    std::vector<std::byte> reply{}; // header and payload; empty: none is due
  };
  // Errors, which change nothing: protocol (a request that is none of ours, has another size, or comes without its
  // descriptor), invalid_argument (a value that cannot be), too_large (a queue), unsupported (features), not_mapped (a
  // ring in no region), busy (its queue runs). If no reply can tell the client, it is no use to go on with it.
  Answer handle(const vhost::Header& header, std::span<const std::byte> payload, std::vector<hosted::Fd> fds);

  // Readable when the driver has made something available; -1: none yet.
  int kick_fd() const { return kick_.get(); }
  bool running() const { return running_; }
  // After a kick, and as long as it says that there is more.
  bool run();

private:
  base::Status dispatch(const vhost::Header& header, std::span<const std::byte> payload, std::vector<hosted::Fd>& fds,
                        std::vector<std::byte>& reply);
  base::Status set_features(std::uint64_t features);
  base::Status set_protocol_features(std::uint64_t features);
  base::Status set_mem_table(std::span<const std::byte> payload, std::size_t fds);
  base::Status set_vring(vhost::Request request, const vhost::VringState& state);
  base::Status set_address(const vhost::VringAddress& address);
  base::Status set_eventfd(vhost::Request request, std::uint64_t value, std::vector<hosted::Fd>& fds);
  base::Status set_kick(hosted::Fd fd);
  std::uint16_t stop();
  void look();
  std::optional<std::uint64_t> to_guest(std::uint64_t user_address, std::uint64_t size) const;

  VhostDevice& device_;
  std::uint64_t features_{};
  std::uint64_t protocol_{};
  std::vector<vhost::Region> regions_;
  pcie::QueueLayout layout_{};
  std::uint16_t next_{};
  bool placed_{};
  bool enabled_{};
  bool running_{};
  hosted::Fd kick_;
  vfio::Eventfd call_;
  vfio::Eventfd error_;
  hosted::Fd requests_; // of ours to the client: none is made, but it waits for them
};

} // namespace sluice::remote

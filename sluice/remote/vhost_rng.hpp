#pragma once

#include <sluice/pcie/entropy_source.hpp>
#include <sluice/pcie/function.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/remote/vhost_user.hpp>

#include <string_view>

namespace sluice::remote {

// The entropy source of a virtio function whose configuration is a client's affair: what it does is ours, every access
// by `master`.
class VhostRng final : public VhostDevice {
public:
  VhostRng(std::string_view name, pcie::Address address, pcie::Master& master, platform::Sync& sync);

  std::uint64_t features() const override;
  std::uint16_t largest_queue() const override { return pcie::Virtqueue::largest; }
  void start(const pcie::QueueLayout& layout, pcie::QueueRules rules, std::uint16_t next) override;
  std::uint16_t stop() override { return queue_.next_index(); }
  Ran run() override;

  pcie::Delivered delivered() const;
  pcie::DmaCounters dma_counters() const { return dma_.counters(); }
  // While it is stopped.
  const pcie::Virtqueue& queue() const { return queue_; }

private:
  bool serve(Ran& ran);

  platform::Sync& sync_;
  pcie::Function function_; // stands for the client's
  pcie::Master& master_;
  pcie::Dma dma_{function_};
  pcie::Virtqueue queue_{dma_};
  std::uint16_t size_{};
  bool broken_{};
  mutable platform::SpinLock lock_; // of the account
  pcie::EntropySource source_;
};

} // namespace sluice::remote

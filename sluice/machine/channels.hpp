#pragma once

#include <sluice/iommufd/host.hpp>
#include <sluice/machine/queues.hpp>

namespace sluice::machine {

// Descriptors of queues for the clients of iommufd.
class Channels final : public iommufd::Channels {
public:
  explicit Channels(platform::Sync& sync) : queues_{sync} {}

  base::Result<iommufd::QueueDescriptor*> open_queue(iommufd::QueueFile& file, bool writable) override {
    auto queue = QueueDescriptor::open(queues_, file, writable);
    if (!queue) {
      return queue.error();
    }
    return queue->release();
  }
  Queues& queues() { return queues_; }

private:
  Queues queues_;
};

} // namespace sluice::machine

#pragma once

#include <sluice/driver/command_queue.hpp>
#include <sluice/iommu/page_requests.hpp>

namespace sluice::driver {

// Answers to what waits for pages, as commands.
class PageResponder final : public iommu::PageResponder {
public:
  explicit PageResponder(CommandQueue& commands) : commands_{commands} {}

  iommu::Domain* domain_of(const iommu::PageAsker& asker) override;
  // 4.7.1, 4.5.2. No CMD_SYNC: what is consumed will happen. Of a queue that has failed nobody waits for an answer.
  void send(const iommu::PageAsker& asker, iommu::PageResponse response) override;

private:
  CommandQueue& commands_;
};

} // namespace sluice::driver

#pragma once

#include <sluice/driver/smmu.hpp>
#include <sluice/hosted/random.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/model/port.hpp>
#include <sluice/scenario/findings.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

namespace sluice::scenario {

struct StallCounts {
  std::uint64_t stalled{}; // accesses that waited
  std::uint64_t served{};  // of those: went on, and did what they were to do
  std::uint64_t refused{}; // and ended with an abort, as they should
  std::uint64_t ended{};   // and by what was done to the guest meanwhile
};

// A device whose accesses wait for the pages that they need, and a driver that maps those when they are asked for and
// refuses others. One actor is the device.
class StallTraffic final : public iommu::PageRequestHandler {
public:
  // `stream` is the hardware's name for the device. `disturbed` counts what ends accesses that wait: before it, and
  // after. Throws machine::DriverRefused.
  StallTraffic(driver::Smmu& driver, iommu::Device& device, model::Smmu& hardware, std::uint32_t stream,
               machine::ClientMemory& memory, std::function<std::uint64_t()> disturbed, hosted::Random random,
               Findings& findings);
  StallTraffic(const StallTraffic&) = delete;
  StallTraffic& operator=(const StallTraffic&) = delete;
  // When run() has ended.
  ~StallTraffic();

  void run(const std::stop_token& stop);
  const StallCounts& counts() const { return counts_; }

  void on_page_requests(const iommu::PageRequestGroup& group) override;

private:
  static constexpr std::size_t pages = 8;

  void turn();
  model::Outcome finish(model::Outcome outcome, std::uint64_t* word);
  void judge(const model::Outcome& outcome, std::size_t page, std::uint64_t offset, std::uint64_t word, bool disturbed);

  driver::Smmu& driver_;
  iommu::Device& device_;
  std::optional<model::Port> port_;
  const std::uint32_t stream_;
  machine::ClientMemory& memory_;
  std::function<std::uint64_t()> disturbed_;
  hosted::Random random_;
  Findings& findings_;
  iommu::Domain* domain_{};
  std::array<platform::DmaBlock, pages> blocks_{};
  std::uint64_t last_word_{};
  StallCounts counts_;
};

} // namespace sluice::scenario

#pragma once

#include <sluice/differential/case.hpp>
#include <sluice/differential/ram.hpp>
#include <sluice/platform/mmio.hpp>

#include <cstdint>
#include <vector>

namespace sluice::differential {

// Software's side of an SMMU, in the same way for both: queues, stream table, invalidation, events.
class Frontend {
public:
  // The queues lie at `queues` and in the 64 KB after it.
  Frontend(platform::Mmio& registers, Ram& ram, std::uint64_t queues);

  void start();
  // The case's stream table and nothing that is cached. The SMMU translates.
  void prepare(const Case& c);
  // 6.3.14: with SMMUEN 0 all traffic passes as it is, until enable().
  void disable();
  void enable();
  std::vector<arch::Event> events();

private:
  void submit(const arch::Command& command);

  platform::Mmio& registers_;
  Ram& ram_;
  const std::uint64_t commands_;
  const std::uint64_t events_;
  std::uint32_t prod_{};
  std::uint32_t cons_{};
  arch::STRTAB_BASE base_{};
  arch::STRTAB_BASE_CFG cfg_{};
  bool pointed_{};
  bool enabled_{};
};

} // namespace sluice::differential

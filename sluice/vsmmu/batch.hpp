#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/vsmmu/calls.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice::vsmmu {

// Where the guest's command queue stops, and why. 7.1
struct CommandStop {
  std::uint32_t position{};
  arch::Cerror error{};
};

// Invalidations of a guest's that are on their way to the host, each with its place in the guest's queue.
class Batch {
public:
  static constexpr std::size_t capacity = 128;

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == capacity; }
  void add(const arch::Command& command, std::uint32_t position);
  void clear() { count_ = 0; }

  struct Flushed {
    std::optional<CommandStop> stop{}; // all before it have been executed, and none from it on
    bool atc_timed_out{};              // 7.1 CERROR_ATC_INV_SYNC is the next CMD_SYNC's
    std::uint32_t calls{};
  };
  // Executes them all, or as many as the host can.
  Flushed flush(const Calls& calls, std::uint32_t viommu);

private:
  struct Executed {
    std::size_t done{};
    int error{}; // of the one after them
  };
  Executed execute(const Calls& calls, std::uint32_t viommu, std::span<const arch::Command> commands,
                   std::uint32_t& count) const;

  std::array<arch::Command, capacity> commands_{};
  std::array<std::uint32_t, capacity> positions_{};
  std::size_t count_{};
};

} // namespace sluice::vsmmu

#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/hosted/random.hpp>
#include <sluice/scenario/virtual_machine.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace sluice::scenario {

// Queues and tables where a guest has no memory, where it ends, between what they are aligned to, and on top of each
// other; and what an SMMU says to each of it.
class HostilePlaces {
public:
  HostilePlaces(VirtualMachine& vm, std::uint32_t stream, hosted::Random random)
      : vm_{vm}, stream_{stream}, random_{random} {}

  // What answers otherwise than it has to. All is off before, and the registers are anything afterwards.
  std::optional<std::string> try_one();
  // STE and CDs for a device whose CDs are nowhere: its accesses are aborted.
  void hide_cds();

private:
  enum class Queue : std::uint8_t { commands, events };

  std::uint64_t nowhere();
  std::uint64_t askew(std::uint64_t base, std::uint64_t bytes);
  void put(std::uint64_t address, std::uint64_t value);
  void put_ste(const arch::Ste& ste);
  void place(Queue queue, std::uint64_t base);
  void enable();
  void run(std::span<const arch::Command> commands);
  bool active(std::uint64_t gerror_bit);
  bool recorded(arch::EventType type, std::uint64_t fetched);

  std::optional<std::string> commands_nowhere();
  std::optional<std::string> commands_at_the_end();
  std::optional<std::string> events_nowhere();
  std::optional<std::string> table_nowhere();
  std::optional<std::string> second_level_nowhere();
  std::optional<std::string> all_at_once();

  VirtualMachine& vm_;
  const std::uint32_t stream_;
  hosted::Random random_;
};

} // namespace sluice::scenario

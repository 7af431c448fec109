#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/hosted/random.hpp>
#include <sluice/scenario/hostile_places.hpp>
#include <sluice/scenario/site.hpp>
#include <sluice/scenario/virtual_machine.hpp>

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

namespace sluice::scenario {

struct HostileCounts {
  std::uint64_t registers{}; // written
  std::uint64_t commands{};  // put into its queue
  std::uint64_t stes{};      // put into its table
  std::uint64_t dma{};       // accesses of its device
  std::uint64_t dma_aborted{};
  std::uint64_t storms{};    // of faults that are each an event
  std::uint64_t misplaced{}; // queues and tables
  std::string wrong{};       // the first answer to one of these that is not the architecture's
};

// A guest that does what no driver does to all that a guest can reach: its registers, its commands, its tables, and its
// device's DMA. One actor.
class HostileGuest {
public:
  // `storms`: of its turns many make faults as fast as its device can.
  HostileGuest(VirtualMachine& vm, const Engine& engine, model::Smmu& hardware, platform::Time& time,
               hosted::Random random, bool storms);

  void run(const std::stop_token& stop);
  const HostileCounts& counts() const { return counts_; }

private:
  void turn();
  void begin_again();
  void write_register();
  void send_commands();
  void spoil_table();
  void make_dma();
  void make_storm();
  void misplace();
  arch::Command command();
  std::uint64_t word();
  void put(std::uint64_t address, std::uint64_t value);

  VirtualMachine& vm_;
  Engine engine_;
  std::optional<model::Port> port_;
  platform::Time& time_;
  hosted::Random random_;
  HostilePlaces places_;
  const bool storms_;
  std::uint32_t produced_{};
  HostileCounts counts_;
};

} // namespace sluice::scenario

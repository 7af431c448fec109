#pragma once

#include <sluice/hosted/port.hpp>
#include <sluice/machine/command_census.hpp>
#include <sluice/machine/command_fault.hpp>
#include <sluice/machine/counted_port.hpp>
#include <sluice/machine/guest_bus.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/machine/mmio.hpp>
#include <sluice/machine/shared_frame.hpp>
#include <sluice/machine/table_fault.hpp>
#include <sluice/machine/tlbi_watch.hpp>

#include <memory>
#include <vector>

namespace sluice::machine {

// The way to a guest's interrupt controller. Called by one thread, never while the SMMU waits for it.
class GuestInterrupts {
public:
  virtual void pulse(model::Wire wire) = 0;
  virtual void message(std::uint64_t address, std::uint32_t data) = 0;

protected:
  ~GuestInterrupts() = default;
};

struct GuestSmmuConfig {
  model::Features features{};
  model::Knobs knobs{};
  std::uint64_t frame{}; // where in the guest's RAM the registers are
  HostFault fault{};     // tlbi, walk, cd or atc
};

// What the SMMU of a guest has come to.
struct GuestSmmuAccount {
  model::Counters model{};
  model::Snapshot registers{};
  std::uint64_t frame_writes{};
  std::uint64_t frame_strays{};
  std::uint64_t bus_strays{};
  std::uint64_t spoiled{}; // commands lost by a planted fault
  std::uint64_t audits{};
  std::uint64_t compared{}; // cached translations, in all audits
  std::uint64_t stale{};
  std::vector<model::StaleTranslation> first_stale{};
};

// An SMMU whose driver runs in a guest that somebody else runs, in RAM that is shared with us. One thread looks at the
// register frame, and interrupts the guest when what it is told of can be seen there. Each time a CMD_SYNC has
// completed TLBI commands, what the ports still have of that is compared with the tables before the guest can see the
// CMD_SYNC's end in CMDQ_CONS.
class GuestSmmu {
public:
  // Throws hosted::SetupError. `port`: its arena is the guest's RAM.
  GuestSmmu(const GuestSmmuConfig& config, hosted::Port& port, GuestInterrupts& interrupts);
  GuestSmmu(const GuestSmmu&) = delete;
  GuestSmmu& operator=(const GuestSmmu&) = delete;
  ~GuestSmmu();

  model::Smmu& model() { return *model_; }
  // Ports that are audited, and the streams behind them that planted faults are about; before start().
  void add(CountedPort& port, std::uint32_t stream);
  // Where invalidations and page responses go; any time.
  FunctionRoutes& routes() { return routes_; }
  // From now on the frame is looked at, until stop().
  void start();
  // After that no port is used any more.
  void stop();

  std::uint64_t commands(arch::Opcode opcode) const { return census_->count(opcode); }
  // After stop().
  GuestSmmuAccount account() const;

private:
  class Auditor;

  void poll(const std::stop_token& stop);
  bool signal();

  hosted::Port& port_;
  GuestInterrupts& interrupts_;
  FunctionRoutes routes_;
  GuestBus bus_;
  TableFaultBus table_bus_;
  Interleave interleave_{nullptr, 0};
  std::unique_ptr<model::Smmu> model_;
  std::unique_ptr<Mmio> mmio_;
  std::unique_ptr<SpoiledMmio> spoiled_;
  std::unique_ptr<TlbiWatch> watch_;
  std::unique_ptr<CommandCensus> census_;
  std::unique_ptr<Auditor> auditor_;
  std::unique_ptr<SharedFrame> frame_;
  hosted::ActorId poller_{};
  bool running_{};
};

} // namespace sluice::machine

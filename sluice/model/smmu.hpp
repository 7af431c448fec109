#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/base/result.hpp>
#include <sluice/model/bus.hpp>
#include <sluice/model/features.hpp>
#include <sluice/model/software_faults.hpp>
#include <sluice/model/stale_use.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/platform/time.hpp>

#include <cstdint>
#include <memory>

namespace sluice::model {

class Core;

// What has happened since the SMMU was made. Read while threads run: each number is right, their sum need not be.
struct Counters {
  std::uint64_t commands{};           // consumed, CMD_SYNC included
  std::uint64_t syncs{};              // CMD_SYNCs completed
  std::uint64_t broadcasts{};         // taken part in
  std::uint64_t command_errors{};     // 7.1
  std::uint64_t events_recorded{};    // written to the event queue
  std::uint64_t events_discarded{};   // 7.2.1: the queue was disabled, full or in error
  std::uint64_t events_merged{};      // 7.3.1, by Knobs::merge_events
  std::uint64_t wire_edges{};         // 3.18
  std::uint64_t messages{};           // 3.18, aborted ones too
  std::uint64_t wfe_events{};         // 4.7.3, 4.1.2 with IDR0.SEV
  std::uint64_t atc_invalidations{};  // 4.5.1, sent to endpoints
  std::uint64_t atc_timeouts{};       // 3.9.1.4
  std::uint64_t pages_requested{};    // written to the PRI queue
  std::uint64_t page_requests_lost{}; // 8.1: discarded in an overflow
  std::uint64_t syncs_held{};         // CMD_SYNCs that waited longer than Knobs::sync_hold_report_us
  std::uint32_t holding_port{};       // Port::id() of the port that held the latest of them
};

// For tools: where the queues and handshakes stand.
struct Snapshot {
  std::uint32_t cr0{}, cr0ack{};
  std::uint32_t gerror{}, gerrorn{};
  std::uint32_t cmdq_prod{}, cmdq_cons{};
  std::uint32_t eventq_prod{}, eventq_cons{};
  std::uint32_t priq_prod{}, priq_cons{};
  bool sync_waits{};            // a CMD_SYNC or a handshake waits for ports
  std::uint32_t waits_for{};    // Port::id() of one of them, 0 if none
  std::uint32_t ports{};        // attached
  std::uint32_t ports_online{}; // in an access or a Burst
};

// One SMMUv3, Non-secure interface. It has no thread of its own: pending work is done by whoever writes a register,
// reads CMDQ_CONS, CR0ACK, IRQ_CTRLACK or GBPA, calls step(), or is the last port that a CMD_SYNC waited for. All calls
// may be made by several threads at once, and from within Bus::pulse; none of them waits for a port.
class Smmu {
public:
  // Errors: invalid_argument (a value that its ID register cannot say, or a knob out of range), bad_hardware (the
  // architecture forbids the combination), unsupported (not modelled). refusal() in idr.hpp names the reason.
  static base::Result<std::unique_ptr<Smmu>> make(const Features& features, const Knobs& knobs, Bus& bus,
                                                  platform::Sync& sync, platform::Time& time);
  Smmu(const Smmu&) = delete;
  Smmu& operator=(const Smmu&) = delete;
  // All ports are gone by then.
  ~Smmu();

  // The register frame: `offset` counts bytes from the start of page 0, `size` is 4 or 8. 6.2: an unaligned access or
  // one of another size is RAZ/WI, as is a 64-bit access to two 32-bit registers.
  std::uint64_t read(std::uint32_t offset, unsigned size);
  void write(std::uint32_t offset, unsigned size, std::uint64_t value);
  // 3.17: broadcast TLB maintenance of a processor in the same domain, as the TLBI command of the same scope. Taken
  // only with IDR0.BTM and while CR2.PTM is 0. No CMD_SYNC completes it, but a DVM Sync: all broadcasts before
  // dvm_sync() have taken effect, and what used the translations has ended, when dvm_synced() of its number is true.
  void broadcast(const arch::Command& tlbi);
  std::uint64_t dvm_sync();
  bool dvm_synced(std::uint64_t number);
  // Does what is pending; true if something happened.
  bool step();

  const Features& features() const;
  Counters counters() const;
  Snapshot snapshot() const;
  // What software has done that it must not do.
  std::vector<SoftwareFinding> software_faults() const;
  // With Knobs::watch_stale. The latest, but for the first `known` of all.
  StaleUses stale_uses(std::uint64_t known = 0) const;

private:
  friend class Port;
  explicit Smmu(std::unique_ptr<Core> core);

  std::unique_ptr<Core> core_;
};

} // namespace sluice::model

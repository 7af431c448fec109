#pragma once

#include <sluice/iommu/region.hpp>
#include <sluice/iommu/unit.hpp>
#include <sluice/platform/irq.hpp>

#include <cstdint>
#include <span>

namespace sluice::driver {

using StreamID = std::uint32_t;

// Where a device's requests go while nothing is attached to it.
enum class Idle : std::uint8_t { blocked, identity };

// In which translation regime processors have the page tables of processes, if the SMMU is to take part in the
// broadcasts by which they invalidate them (IDR0.BTM, 3.17). Processes' tables then have the processors' ASIDs in the
// SMMU, too.
enum class Broadcast : std::uint8_t {
  ignored,
  el1,
  el2_e2h, // a kernel at EL2 with FEAT_VHE: all first stages of ours are then in that StreamWorld. Needs IDR0.Hyp
};

// A line of the system for one of the SMMU's interrupts, if there is one: a wire or, with IDR0.MSI, a message that
// raises the line. Without one somebody calls Smmu::poll.
struct Wire {
  bool connected{};
  platform::IrqLine line{};
};

// What the system knows of a requester that no register or configuration space says.
struct DeviceFacts {
  std::span<const iommu::Region> regions{}; // that firmware reserves for it; outlives the device
  bool may_stall{}; // its transactions may wait for software (3.12.2): it is no PCIe function, or one that bears it
  unsigned pasid_bits{}; // it may use PASIDs below 2^this; 0: none. A PCI function's capability says it for itself
};

// What the port and its user decide; the defaults fit a system with nothing special.
struct Config {
  Idle idle{Idle::blocked};
  Broadcast broadcast{Broadcast::ignored};
  iommu::Stage stage{iommu::Stage::any}; // of paging domains that do not say
  Wire event_wire{};
  Wire gerror_wire{};
  Wire page_request_wire{};
  bool messages{true};             // where SMMU and port have them; a wire may raise the line besides
  unsigned command_queue_log2{10}; // entries; IDR1 may say less, and less is taken where memory is short
  unsigned event_queue_log2{10};
  unsigned page_request_queue_log2{10};
  unsigned stream_bits{25};           // StreamIDs below 2^this; IDR1.SIDSIZE may say less
  bool linear_stream_table{};         // also where two levels are possible
  bool ats{true};                     // endpoints may cache translations, where system and SMMU permit it
  bool linear_cd_tables{};            // also where two levels are possible; PASIDs below 2^10 then
  std::uint64_t timeout_us{1000000};  // of each wait for the SMMU
  std::uint64_t deferred_unmaps{256}; // after which one of a domain's deferred unmaps flushes them
  // While dirty tracking is on all is in pages, so that each is noted by itself: blocks are split when it begins and
  // merged when it ends, where the SMMU permits that under traffic. Else a block is dirty as a whole.
  bool dirty_by_page{};
  iommu::Region msi_region{0x8000000, 0x80fffff, iommu::RegionKind::software_msi, {}};
  // Of one guest's devices in each period; a device that records more is cut off for the rest of it, so that other
  // guests' events find room. 0: any number.
  unsigned guest_events{256};
  std::uint64_t guest_event_period_us{50000};
  // What waits for an answer can only be told in the command queue, for which an interrupt that has interrupted a
  // submitter must not wait. If so, records that want an answer are left for poll().
  bool interrupts_may_wait{true};
  // Page requests that one PCIe function may have under way; 0: none has PRI.
  unsigned page_requests_per_function{32};
  unsigned page_requests{256};                     // groups and pages that may wait at once; more are answered `failed`
  std::uint64_t page_request_timeout_us{10000000}; // for which a handler may let a group wait
};

} // namespace sluice::driver

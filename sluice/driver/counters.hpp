#pragma once

#include <sluice/iommu/page_requests.hpp>

#include <cstdint>

namespace sluice::driver {

// What the driver has done since it was made. Read while threads run: each number is right, their sum need not be.
struct Counters {
  std::uint64_t commands{};       // submitted, CMD_SYNC included
  std::uint64_t syncs{};          // CMD_SYNCs completed
  std::uint64_t doorbells{};      // writes of CMDQ_PROD
  std::uint64_t command_errors{}; // 7.1, recovered or not
  std::uint64_t timeouts{};       // waits that ran out
  std::uint64_t changes_in_place{};
  std::uint64_t changes_store128{};
  std::uint64_t changes_swung{};
  std::uint64_t changes_disruptive{};
  std::uint64_t invalidations_by_page{};  // calls that told the SMMU of each leaf
  std::uint64_t invalidations_by_range{}; // ... of ranges, IDR3.RIL
  std::uint64_t invalidations_of_all{};   // ... to forget a whole ASID or VMID
  std::uint64_t asids_moved{};            // of domains that had one of a process's
  std::uint64_t atc_invalidations{};      // CMD_ATC_INVs
  std::uint64_t events{};                 // records read
  std::uint64_t stalls{};                 // of those: the transaction waits. 3.12.2
  std::uint64_t events_unknown{};         // of a StreamID that no device has
  std::uint64_t events_unhandled{};       // nobody wanted them
  std::uint64_t events_of_guests{};       // handed on to a guest
  std::uint64_t guests_cut_off{};         // devices, for recording too much
  std::uint64_t event_overflows{};        // times that the SMMU reported lost records. 7.4
  std::uint64_t pages_requested{};        // records of the PRI queue read
  std::uint64_t page_requests_unknown{};  // of a StreamID that no device has
  std::uint64_t page_request_overflows{}; // times that the SMMU lost some and answered for itself. 8.2
  std::uint64_t global_errors{};          // GERROR bits seen, CMDQ_ERR apart
  iommu::PageRequestCounters page_requests{};
};

} // namespace sluice::driver

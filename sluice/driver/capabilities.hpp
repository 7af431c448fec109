#pragma once

#include <sluice/arch/features.hpp>
#include <sluice/base/result.hpp>

#include <cstdint>

namespace sluice::driver {

// What this SMMU can do, as far as the driver asks; arch/features.hpp tells the rest from `id`.
struct Capabilities {
  arch::IdRegisters id;

  bool stage1{}, stage2{};
  bool hyp{};
  bool ats{}, pri{};
  bool two_level_streams{}; // IDR0.ST_LEVEL
  bool two_level_cds{};     // IDR0.CD2L
  arch::StallModel stalls{arch::StallModel::terminate};
  unsigned asid_bits{8}, vmid_bits{8};

  unsigned stream_bits{};    // IDR1.SIDSIZE
  unsigned substream_bits{}; // IDR1.SSIDSIZE
  unsigned command_queue_log2{}, event_queue_log2{}, page_request_queue_log2{};
  bool attr_types{};       // IDR1.ATTR_TYPES_OVR
  bool range_invalidate{}; // IDR3.RIL
  bool s2fwb{};            // IDR3.FWB
  bool dirty{};            // IDR0.HTTU: access flag and dirty state
  bool resizes{};          // IDR3.BBML 2: blocks and tables take each other's place in use

  // Something can wait for software to bring a page.
  bool pages_wait() const { return pri || stalls != arch::StallModel::terminate; }

  unsigned output_bits{};  // IDR5.OAS
  unsigned virtual_bits{}; // IDR5.VAX
};

// Errors: bad_hardware (contradicts the architecture), missing_feature (the driver cannot work without it).
base::Result<Capabilities> decode(const arch::IdRegisters& id);

} // namespace sluice::driver

#pragma once

#include <sluice/base/result.hpp>

#include <array>
#include <cstdint>

namespace sluice::driver {

// The ID registers as they were read. 6.3.1 to 6.3.8
struct IdRegisters {
  std::array<std::uint32_t, 6> idr{};
  std::uint32_t iidr{};
  std::uint32_t aidr{};
};

// 6.3.1 IDR0.STALL_MODEL
enum class StallModel : std::uint8_t { supported = 0, none = 1, forced = 2 };

// What this SMMU can do, decoded once.
struct Capabilities {
  IdRegisters raw;
  unsigned minor{}; // AIDR: v3.<minor>

  bool stage1{}, stage2{};
  bool coherent{};  // IDR0.COHACC
  bool broadcast{}; // IDR0.BTM
  bool hyp{};
  bool ats{}, pri{};
  bool split_ats{}; // ATS and not NS1ATS
  bool msi{}, sev{};
  bool vmw{};
  bool two_level_streams{}; // IDR0.ST_LEVEL
  bool two_level_cds{};     // IDR0.CD2L
  bool term_abort_only{};   // IDR0.TERM_MODEL
  bool ats_record{};        // IDR0.ATSRECERR
  StallModel stalls{StallModel::none};
  unsigned asid_bits{8}, vmid_bits{8};
  unsigned httu{}; // IDR0.HTTU

  unsigned stream_bits{};    // IDR1.SIDSIZE
  unsigned substream_bits{}; // IDR1.SSIDSIZE
  unsigned command_queue_log2{}, event_queue_log2{}, pri_queue_log2{};
  bool attr_types{}, attr_perms{}; // IDR1.ATTR_{TYPES,PERMS}_OVR

  bool range_invalidate{}; // IDR3.RIL
  bool s2fwb{};            // IDR3.FWB
  bool small_tables{};     // IDR3.STT
  bool mpam{};
  unsigned bbml{};

  unsigned output_bits{};  // IDR5.OAS
  unsigned virtual_bits{}; // IDR5.VAX
  bool granule4k{}, granule16k{}, granule64k{};
  bool ds{};
  std::uint32_t stall_max{};
};

// Errors: bad_hardware (contradicts the architecture), missing_feature (the driver cannot work without it).
base::Result<Capabilities> decode(const IdRegisters& raw);

} // namespace sluice::driver

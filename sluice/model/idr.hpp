#pragma once

#include <sluice/arch/features.hpp>
#include <sluice/base/errc.hpp>
#include <sluice/model/features.hpp>

#include <cstdint>

namespace sluice::model {

// Why an SMMU with these features cannot be made.
enum class Refusal : std::uint8_t {
  none,
  // invalid_argument: no encoding
  version,        // AIDR: 0 to 4
  oas,            // IDR5.OAS: 32 36 40 42 44 48 52
  streamid_bits,  // IDR1.SIDSIZE: 0 to 32
  substream_bits, // IDR1.SSIDSIZE: 0 to 20
  queue_size,     // IDR1.CMDQS, EVENTQS, PRIQS: 0 to 19
  bbml,           // IDR3.BBML: 0 to 2
  httu,           // IDR0.HTTU: 0 to 2
  stall_model,    // IDR0.STALL_MODEL: 0 to 2
  stall_max,      // IDR5.STALL_MAX: 16 bits
  cache_size,     // a cache of no or too many entries, or no power of two
  // bad_hardware: forbidden together
  no_stage,        // 6.3.1: S1P or S2P
  hyp_stages,      // 6.3.1: Hyp needs both stages; v3.2 with both needs Hyp
  needs_two_level, // 6.3.1: SIDSIZE >= 7 needs ST_LEVEL
  pri_without_ats, // 6.3.1
  no_granule,      // 6.3.6
  oas_version,     // 6.3.6: 52 bits from v3.1
  oas52_granule,   // 6.3.6: 52 bits need the 64 KB granule
  va52_granule,    // 6.3.6: likewise
  v31_features,    // 2: HAD and XNX are mandatory from v3.1 with their stage
  v32_features,    // 2: BBML >= 1, RIL and FWB (with stage 2) are mandatory from v3.2
  v33_features,    // 2: E0PD and PTWNNC are mandatory from v3.3 with their stage
  vmw_stage2,      // 6.3.1: VMW needs S2P
  too_new,         // 2.1: a feature of a version after the next
  stall_max_zero,  // 6.3.6: STALL_MAX is 0 exactly when stalls are not supported
  needs_ats,       // 6.3.1, 6.3.4: ATSRECERR and PASIDTT need ATS, PPS needs PRI
  needs_pasids,    // 6.3.4: PPS and PASIDTT need SSIDSIZE > 0
  pcie_stalls,     // 6.3.1: STALL_MODEL is not 0b10 where there is PCIe, and so not with ATS
  // unsupported: not modelled
  no_v34,        // EPAN and MTEPERM, mandatory from v3.4
  no_secure,     // the Secure programming interface
  no_rme,        // RME, the Realm programming interface
  no_aarch32,    // VMSAv8-32 tables
  no_big_endian, // big-endian tables
  no_atos,       // the ATOS registers
  no_vatos,      // the VATOS page
  no_ecmdq,      // enhanced command queues
  no_mpam,       // MPAM, and so the VMS
  no_dpt,        // the Device Permission Table
  no_ds,         // 52 bits with 4 KB and 16 KB granules
  no_d128,       // VMSAv9-128 tables
};

Refusal refusal(const Features& features, const Knobs& knobs);
base::Errc errc(Refusal refusal);

// 6.3.1 - 6.3.8
arch::IdRegisters identity(const Features& features);

} // namespace sluice::model

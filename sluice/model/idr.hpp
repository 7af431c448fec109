#pragma once

#include <sluice/arch/features.hpp>
#include <sluice/base/errc.hpp>
#include <sluice/model/features.hpp>

#include <cstdint>

namespace sluice::model {

// Why an SMMU with these features cannot be made. conditions.hpp has a sentence for each.
enum class Refusal : std::uint8_t {
  none,
  // invalid_argument: no encoding
  version,
  oas,
  streamid_bits,
  substream_bits,
  queue_size,
  bbml,
  httu,
  stall_model,
  stall_max,
  cache_size,
  // bad_hardware: forbidden together
  no_stage,
  hyp_stages,
  needs_two_level,
  pri_without_ats,
  no_granule,
  oas_version,
  oas52_granule,
  va52_granule,
  v31_features,
  v32_features,
  v33_features,
  vmw_stage2,
  too_new,
  stall_max_zero,
  needs_ats,
  needs_pasids,
  pcie_stalls,
  // unsupported: not modelled
  no_v34,
  no_secure,
  no_rme,
  no_aarch32,
  no_big_endian,
  no_atos,
  no_vatos,
  no_ecmdq,
  no_mpam,
  no_dpt,
  no_ds,
  no_d128,
};

Refusal refusal(const Features& features, const Knobs& knobs);
base::Errc errc(Refusal refusal);

// 6.3.1 - 6.3.8
arch::IdRegisters identity(const Features& features);

} // namespace sluice::model

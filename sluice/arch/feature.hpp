#pragma once

#include <cstdint>

namespace sluice::arch {

// What a register, field or command depends on; features.hpp says when an SMMU has it.
enum class Feature : std::uint8_t {
  always,
  s1p,        // IDR0.S1P
  s2p,        // IDR0.S2P
  hyp,        // IDR0.Hyp
  ats,        // IDR0.ATS
  pri,        // IDR0.PRI
  msi,        // IDR0.MSI
  pri_msi,    // IDR0.PRI and IDR0.MSI
  atos,       // IDR0.ATOS
  vatos,      // IDR0.VATOS
  stall,      // IDR0.STALL_MODEL is not 0b01
  vmw,        // IDR0.VMW
  btm,        // IDR0.BTM
  ats_recerr, // IDR0.ATSRECERR
  attr_types, // IDR1.ATTR_TYPES_OVR
  attr_perms, // IDR1.ATTR_PERMS_OVR
  ecmdq,      // IDR1.ECMDQ
  mpam,       // IDR3.MPAM
  s2pi,       // IDR3.S2PI
  dpt,        // IDR3.DPT
  range_tlbi, // IDR3.RIL
  secure,     // only on the Secure interface
  never,      // a reserved encoding
};

} // namespace sluice::arch

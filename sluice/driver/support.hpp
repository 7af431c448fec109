#pragma once

#include <sluice/driver/capabilities.hpp>

#include <cstdint>

// What this driver offers on this SMMU, and if not, why. Without text: hosted code prints it.
namespace sluice::driver {

enum class Facility : std::uint8_t {
  stage1,
  stage2,
  nesting,            // guests' first stages on a stage 2 domain
  pasid,              // domains at PASIDs
  sva,                // processes' address spaces
  ats,                // translations that devices ask for and keep
  pri,                // page requests of PCIe functions
  stalls,             // transactions that wait for a page
  dirty,              // dirty tracking by hardware
  range_invalidation, // one command for many pages
  resizing,           // a part of a block is unmapped, and the rest stays mapped meanwhile
};

enum class Why : std::uint8_t {
  available,
  id_register,      // the SMMU says that it has none
  incoherent_walks, // the SMMU does not see the processors' caches, and 3.13 wants atomic updates in them
  no_stage1,
  no_stage2,
  no_s2fwb,        // a guest could reach memory past the caches that its host sees it through
  no_pasid,        // the SMMU has no SubstreamIDs
  not_implemented, // this driver does not use it
};

Why why_not(const Capabilities& capabilities, bool coherent, Facility facility);

} // namespace sluice::driver

#pragma once

#include <sluice/driver/capabilities.hpp>
#include <sluice/iommu/unit.hpp>
#include <sluice/pagetable/config.hpp>

namespace sluice::driver {

// The table for what is asked of a paging domain. `preferred` counts where the options leave the stage open.
// Errors: unsupported, invalid_argument.
base::Result<pagetable::Config> paging_config(const Capabilities& capabilities, iommu::Stage preferred,
                                              const iommu::PagingOptions& options);

iommu::Geometry geometry_of(const pagetable::Config& config);

} // namespace sluice::driver

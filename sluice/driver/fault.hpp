#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/iommu/fault.hpp>

namespace sluice::driver {

// What a record says, in the words of any IOMMU; device and domain are left open. 7.3
iommu::Fault to_fault(const arch::Event& event);

} // namespace sluice::driver

#pragma once

#include <sluice/iommu/device.hpp>
#include <sluice/iommufd/device.hpp>
#include <sluice/pcie/function.hpp>

namespace sluice::vfio {

// `known`, and what GET_HW_INFO tells of a function's PASIDs and ATS.
iommufd::DeviceFacts facts_of(const pcie::Function& function, const iommu::Device& device, iommufd::DeviceFacts known);

} // namespace sluice::vfio

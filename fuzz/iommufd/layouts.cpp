#include "layouts.hpp"

#include <sluice/uapi/iommufd.hpp>
#include <sluice/uapi/vfio.hpp>

namespace sluice::fuzz {

namespace i = uapi::iommufd;
namespace v = uapi::vfio;

namespace {

constexpr std::uint32_t length_of(const char* fields) {
  std::uint32_t length = 0;
  for (; *fields != '\0'; ++fields) {
    length += width_of(*fields);
  }
  return length;
}

template <class T>
consteval Layout layout(std::uint32_t number, const char* fields) {
  if (length_of(fields) != sizeof(T)) {
    throw "the fields are not those of the structure";
  }
  return {number, sizeof(T), T::min_size, fields};
}

template <class T>
consteval Layout iommufd_call(const char* fields) {
  return layout<T>(i::call(T::nr), fields);
}

constexpr Layout iommufd[] = {
    iommufd_call<i::Destroy>("si"),
    iommufd_call<i::IoasAlloc>("sfo"),
    iommufd_call<i::IoasAllowIovas>("sin0P"),
    iommufd_call<i::IoasCopy>("sfiiLVV"),
    iommufd_call<i::IoasIovaRanges>("sin0PR"),
    iommufd_call<i::IoasMap>("sfi0PLV"),
    iommufd_call<i::IoasMapFile>("sfidLLV"),
    iommufd_call<i::IoasUnmap>("siVL"),
    iommufd_call<i::Option>("sthhiR"),
    iommufd_call<i::VfioIoas>("sihh"),
    iommufd_call<i::HwptAlloc>("sfiio0tnPir"),
    iommufd_call<i::GetHwInfo>("sfinPtbbbbR"),
    iommufd_call<i::HwptSetDirtyTracking>("sfi0"),
    iommufd_call<i::HwptGetDirtyBitmap>("sif0VLLP"),
    iommufd_call<i::HwptInvalidate>("siPten0"),
    iommufd_call<i::FaultQueueAlloc>("sfoq"),
    iommufd_call<i::ViommuAlloc>("sftiion0P"),
    iommufd_call<i::VdeviceAlloc>("siioR"),
    iommufd_call<i::IoasChangeProcess>("s0"),
    iommufd_call<i::VeventqAlloc>("sfitnoq0"),
    iommufd_call<i::HwQueueAlloc>("sfitnoVL"),
    iommufd_call<i::IoasNoiommuGetPa>("sfi0VLR"),
};

constexpr Layout vfio[] = {
    layout<v::BindIommufd>(v::device_bind_iommufd, "sfdoP"),
    layout<v::AttachIommufdPt>(v::device_attach_iommufd_pt, "sfir"),
    layout<v::DetachIommufdPt>(v::device_detach_iommufd_pt, "sfr"),
    layout<v::DeviceInfo>(v::device_get_info, "srrrr0"),
    layout<v::RegionInfo>(v::device_get_region_info, "srtrRR"),
    layout<v::IrqInfo>(v::device_get_irq_info, "srtr"),
    layout<v::PciHotResetInfo>(v::device_get_pci_hot_reset_info, "sfn"),
    layout<v::PciHotReset>(v::device_pci_hot_reset, "sfn"),
    layout<v::Feature>(v::device_feature, "sr"),
};

} // namespace

std::span<const Layout> iommufd_layouts() { return iommufd; }
std::span<const Layout> vfio_layouts() { return vfio; }

} // namespace sluice::fuzz

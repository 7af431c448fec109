#include <sluice/advise/fields.hpp>

#include <sluice/uapi/vfio.hpp>

#include <algorithm>
#include <array>

namespace sluice::advise {

namespace {

namespace u = uapi::vfio;
using Way = Field::Way;

const std::array get_info{field("flags", &u::DeviceInfo::flags, Way::out),
                          field("num_regions", &u::DeviceInfo::num_regions, Way::out),
                          field("num_irqs", &u::DeviceInfo::num_irqs, Way::out)};
const std::array get_region_info{field("index", &u::RegionInfo::index), field("flags", &u::RegionInfo::flags, Way::out),
                                 field("size", &u::RegionInfo::size, Way::out),
                                 field("offset", &u::RegionInfo::offset, Way::out)};
const std::array get_irq_info{field("index", &u::IrqInfo::index), field("flags", &u::IrqInfo::flags, Way::out),
                              field("count", &u::IrqInfo::count, Way::out)};
const std::array set_irqs{field("flags", &u::IrqSet::flags), field("index", &u::IrqSet::index),
                          field("start", &u::IrqSet::start), field("count", &u::IrqSet::count)};
const std::array ioeventfd{field("flags", &u::IoEventfd::flags), field("offset", &u::IoEventfd::offset),
                           field("data", &u::IoEventfd::data), field("fd", &u::IoEventfd::fd)};
const std::array feature{field("flags", &u::Feature::flags)};
const std::array bind{field("flags", &u::BindIommufd::flags), field("iommufd", &u::BindIommufd::iommufd),
                      field("devid", &u::BindIommufd::out_devid, Way::out)};
const std::array attach{field("flags", &u::AttachIommufdPt::flags),
                        field("pt_id", &u::AttachIommufdPt::pt_id, Way::both)};
const std::array detach{field("flags", &u::DetachIommufdPt::flags)};

const std::array table{
    CallName{u::device_get_info, "DEVICE_GET_INFO", get_info},
    CallName{u::device_get_region_info, "DEVICE_GET_REGION_INFO", get_region_info},
    CallName{u::device_get_irq_info, "DEVICE_GET_IRQ_INFO", get_irq_info},
    CallName{u::device_set_irqs, "DEVICE_SET_IRQS", set_irqs},
    CallName{u::device_reset, "DEVICE_RESET"},
    CallName{u::device_get_pci_hot_reset_info, "DEVICE_GET_PCI_HOT_RESET_INFO"},
    CallName{u::device_pci_hot_reset, "DEVICE_PCI_HOT_RESET"},
    CallName{u::device_ioeventfd, "DEVICE_IOEVENTFD", ioeventfd},
    CallName{u::device_feature, "DEVICE_FEATURE", feature},
    CallName{u::device_bind_iommufd, "DEVICE_BIND_IOMMUFD", bind},
    CallName{u::device_attach_iommufd_pt, "DEVICE_ATTACH_IOMMUFD_PT", attach},
    CallName{u::device_detach_iommufd_pt, "DEVICE_DETACH_IOMMUFD_PT", detach},
};

} // namespace

const CallName* find_device_call(std::uint32_t number) {
  const auto found = std::find_if(table.begin(), table.end(), [=](const CallName& c) { return c.number == number; });
  return found != table.end() ? &*found : nullptr;
}

} // namespace sluice::advise

#pragma once

#include <cstddef>
#include <cstdint>

// A VFIO character device (vfioN) as Linux 7.3 shows it. All structures begin with argsz: the caller's size.
namespace sluice::uapi::vfio {

constexpr std::uint32_t call(std::uint32_t nr) { return std::uint32_t{';'} << 8 | nr; }

inline constexpr std::uint32_t device_get_info = call(107);
inline constexpr std::uint32_t device_get_region_info = call(108);
inline constexpr std::uint32_t device_get_irq_info = call(109);
inline constexpr std::uint32_t device_set_irqs = call(110);
inline constexpr std::uint32_t device_reset = call(111);
inline constexpr std::uint32_t device_get_pci_hot_reset_info = call(112);
inline constexpr std::uint32_t device_pci_hot_reset = call(113);
inline constexpr std::uint32_t device_ioeventfd = call(116);
inline constexpr std::uint32_t device_feature = call(117);
inline constexpr std::uint32_t device_bind_iommufd = call(118);
inline constexpr std::uint32_t device_attach_iommufd_pt = call(119);
inline constexpr std::uint32_t device_detach_iommufd_pt = call(120);

enum DeviceFlags : std::uint32_t { device_flag_reset = 1U << 0, device_flag_pci = 1U << 1, device_flag_caps = 1U << 7 };

struct DeviceInfo {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint32_t num_regions{};
  std::uint32_t num_irqs{};
  std::uint32_t cap_offset{};
  std::uint32_t pad{};
  static constexpr std::size_t min_size = 16;
};

enum RegionFlags : std::uint32_t { region_read = 1, region_write = 2, region_mmap = 4, region_caps = 8 };

struct RegionInfo {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint32_t index{};
  std::uint32_t cap_offset{};
  std::uint64_t size{};
  std::uint64_t offset{};
  static constexpr std::size_t min_size = 32;
};

// What follows a structure whose cap_offset is not 0; `next` counts from the structure's begin as well.
struct InfoCapHeader {
  std::uint16_t id{};
  std::uint16_t version{};
  std::uint32_t next{};
};
inline constexpr std::uint16_t region_cap_msix_mappable = 3;

inline constexpr std::uint32_t region_bar0 = 0;
inline constexpr std::uint32_t region_rom = 6;
inline constexpr std::uint32_t region_config = 7;
inline constexpr std::uint32_t region_vga = 8;
inline constexpr std::uint32_t region_count = 9;
inline constexpr unsigned region_shift = 40; // the file offset of region n is n << 40

enum IrqFlags : std::uint32_t { irq_eventfd = 1, irq_maskable = 2, irq_automasked = 4, irq_noresize = 8 };

struct IrqInfo {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint32_t index{};
  std::uint32_t count{};
  static constexpr std::size_t min_size = 16;
};

inline constexpr std::uint32_t irq_intx = 0;
inline constexpr std::uint32_t irq_msi = 1;
inline constexpr std::uint32_t irq_msix = 2;
inline constexpr std::uint32_t irq_err = 3;
inline constexpr std::uint32_t irq_req = 4;
inline constexpr std::uint32_t irq_count = 5;

enum IrqSetFlags : std::uint32_t {
  irq_set_data_none = 1,
  irq_set_data_bool = 2,
  irq_set_data_eventfd = 4,
  irq_set_action_mask = 8,
  irq_set_action_unmask = 16,
  irq_set_action_trigger = 32,
};
inline constexpr std::uint32_t irq_set_data_types = 7;
inline constexpr std::uint32_t irq_set_actions = 56;

// Followed by `count` values of the data type.
struct IrqSet {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint32_t index{};
  std::uint32_t start{};
  std::uint32_t count{};
  static constexpr std::size_t min_size = 20;
};

// The flags are the bytes that are written.
inline constexpr std::uint32_t ioeventfd_sizes = 15;

struct IoEventfd {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint64_t offset{};
  std::uint64_t data{};
  std::int32_t fd{};
  std::uint32_t reserved{};
  static constexpr std::size_t min_size = 28;
};
static_assert(sizeof(IoEventfd) == 32);

enum FeatureFlags : std::uint32_t {
  feature_mask = 0xffff,
  feature_get = 1U << 16,
  feature_set = 1U << 17,
  feature_probe = 1U << 18,
};

inline constexpr std::uint32_t feature_low_power_entry = 3;
inline constexpr std::uint32_t feature_low_power_entry_with_wakeup = 4;
inline constexpr std::uint32_t feature_low_power_exit = 5;

struct LowPowerEntryWithWakeup {
  std::int32_t wakeup_eventfd{};
  std::uint32_t reserved{};
};

// Followed by the feature's own data.
struct Feature {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  static constexpr std::size_t min_size = 8;
};

enum BindFlags : std::uint32_t { bind_token = 1 };

struct BindIommufd {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::int32_t iommufd{};
  std::uint32_t out_devid{};
  std::uint64_t token_uuid_ptr{};
  static constexpr std::size_t min_size = 16;
};

enum AttachFlags : std::uint32_t { attach_pasid = 1 };

struct AttachIommufdPt {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint32_t pt_id{};
  std::uint32_t pasid{};
  static constexpr std::size_t min_size = 12;
};

struct DetachIommufdPt {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint32_t pasid{};
  static constexpr std::size_t min_size = 8;
};

enum HotResetFlags : std::uint32_t { hot_reset_dev_id = 1, hot_reset_dev_id_owned = 2 };

// Followed by `count` times PciDependentDevice.
struct PciHotResetInfo {
  std::uint32_t argsz;
  std::uint32_t flags;
  std::uint32_t count;
  static constexpr std::size_t min_size = 12;
};

struct PciDependentDevice {
  std::uint32_t devid;
  std::uint16_t segment;
  std::uint8_t bus;
  std::uint8_t devfn;
};

struct PciHotReset {
  std::uint32_t argsz;
  std::uint32_t flags;
  std::uint32_t count; // of descriptors of groups that follow; 0 for who has bound the device
  static constexpr std::size_t min_size = 12;
};

static_assert(sizeof(PciHotResetInfo) == 12 && sizeof(PciDependentDevice) == 8 && sizeof(PciHotReset) == 12);
static_assert(sizeof(DeviceInfo) == 24 && sizeof(RegionInfo) == 32 && sizeof(IrqInfo) == 16 && sizeof(IrqSet) == 20);
static_assert(sizeof(LowPowerEntryWithWakeup) == 8);
static_assert(sizeof(InfoCapHeader) == 8 && sizeof(Feature) == 8 && sizeof(BindIommufd) == 24 &&
              sizeof(AttachIommufdPt) == 16 && sizeof(DetachIommufdPt) == 12);

} // namespace sluice::uapi::vfio

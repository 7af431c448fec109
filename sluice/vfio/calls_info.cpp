#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>

#include <algorithm>
#include <vector>

// What a client asks of a device, and its interrupts and resets.
namespace sluice::vfio {

namespace u = uapi::vfio;
using base::Errc;
using base::Status;

Status File::get_info(std::uint64_t argument) {
  u::DeviceInfo info{};
  if (auto status = read(argument, info, u::DeviceInfo::min_size); !status) {
    return status;
  }
  if (info.argsz < u::DeviceInfo::min_size) {
    return Errc::invalid_argument;
  }
  info.flags = u::device_flag_pci | u::device_flag_reset;
  info.num_regions = u::region_count;
  info.num_irqs = u::irq_count;
  return write(argument, info, std::min<std::size_t>(info.argsz, sizeof info));
}

Status File::get_region_info(std::uint64_t argument) {
  u::RegionInfo info{};
  if (auto status = read(argument, info); !status) {
    return status;
  }
  // There is no VGA, and what comes after it belongs to particular devices.
  if (info.argsz < u::RegionInfo::min_size || info.index >= u::region_vga) {
    return Errc::invalid_argument;
  }
  info.offset = std::uint64_t{info.index} << u::region_shift;
  info.size = info.index == u::region_config ? ConfigView::bytes : cdev_.function_.bar_size(info.index);
  info.flags = info.size != 0 ? u::region_read | u::region_write : 0;
  if (cdev_.function_.bar_memory(info.index) != nullptr) {
    info.flags |= u::region_mmap;
    if (auto status = add_region_capabilities(argument, info); !status) {
      return status;
    }
  }
  return write(argument, info);
}

// What is mapped may have the MSI-X table in it, and a client that uses that itself has to be told.
Status File::add_region_capabilities(std::uint64_t argument, u::RegionInfo& info) {
  const auto& msix = cdev_.interrupts_.msix();
  if (!msix || msix->bar != info.index) {
    return {};
  }
  info.flags |= u::region_caps;
  constexpr u::InfoCapHeader mappable{.id = u::region_cap_msix_mappable, .version = 1, .next = 0};
  if (info.argsz < sizeof info + sizeof mappable) {
    info.argsz = sizeof info + sizeof mappable;
    info.cap_offset = 0;
    return {};
  }
  info.cap_offset = sizeof info;
  return write(argument + sizeof info, mappable);
}

Status File::get_irq_info(std::uint64_t argument) {
  u::IrqInfo info{};
  if (auto status = read(argument, info); !status) {
    return status;
  }
  if (info.argsz < u::IrqInfo::min_size || info.index >= u::irq_count) {
    return Errc::invalid_argument;
  }
  info.flags = u::irq_eventfd;
  if (info.index == u::irq_intx) {
    info.flags |= u::irq_maskable | u::irq_automasked;
  } else if (info.index != u::irq_msix || !cdev_.interrupts_.dynamic_msix()) {
    info.flags |= u::irq_noresize;
  }
  info.count = cdev_.interrupts_.count(info.index);
  return write(argument, info);
}

namespace {

// Of one value of a request; nothing if its flags do not name exactly one kind of data.
std::optional<std::uint32_t> value_size(std::uint32_t flags) {
  switch (flags & u::irq_set_data_types) {
  case u::irq_set_data_none:
    return 0;
  case u::irq_set_data_bool:
    return 1;
  case u::irq_set_data_eventfd:
    return 4;
  default:
    return std::nullopt;
  }
}

} // namespace

Status File::set_irqs(std::uint64_t argument) {
  u::IrqSet cmd{};
  if (auto status = read(argument, cmd); !status) {
    return status;
  }
  constexpr std::uint32_t known = u::irq_set_data_types | u::irq_set_actions;
  const std::uint64_t end = std::uint64_t{cmd.start} + cmd.count;
  if (cmd.argsz < u::IrqSet::min_size || cmd.index >= u::irq_count || end >= ~std::uint32_t{0} ||
      (cmd.flags & ~known) != 0) {
    return Errc::invalid_argument;
  }
  const std::uint32_t there = cdev_.interrupts_.count(cmd.index);
  const auto size = value_size(cmd.flags);
  if (cmd.start >= there || end > there || !size || cmd.argsz - sizeof cmd < std::uint64_t{cmd.count} * *size) {
    return Errc::invalid_argument;
  }
  std::vector<std::byte> data(std::size_t{cmd.count} * *size);
  if (auto status = caller().read(argument + sizeof cmd, data); !data.empty() && !status) {
    return status;
  }
  return cdev_.interrupts_.set(
      {.flags = cmd.flags, .index = cmd.index, .start = cmd.start, .count = cmd.count, .data = data});
}

// The device alone: nothing else is on its bus.
Status File::get_hot_reset_info(std::uint64_t argument) {
  u::PciHotResetInfo info{};
  if (auto status = read(argument, info); !status) {
    return status;
  }
  if (info.argsz < u::PciHotResetInfo::min_size) {
    return Errc::invalid_argument;
  }
  const bool fits = info.argsz >= sizeof info + sizeof(u::PciDependentDevice);
  info.flags = u::hot_reset_dev_id | u::hot_reset_dev_id_owned;
  info.count = 1;
  if (auto status = write(argument, info); !status) {
    return status;
  }
  if (!fits) {
    return Errc::no_space;
  }
  const std::uint16_t requester = cdev_.function_.address().requester;
  return write(argument + sizeof info, u::PciDependentDevice{.devid = device_->id(),
                                                             .segment = 0,
                                                             .bus = static_cast<std::uint8_t>(requester >> 8),
                                                             .devfn = static_cast<std::uint8_t>(requester)});
}

Status File::hot_reset(std::uint64_t argument) {
  u::PciHotReset cmd{};
  if (auto status = read(argument, cmd); !status) {
    return status;
  }
  // Groups are not named by who has bound the device itself.
  if (cmd.argsz < u::PciHotReset::min_size || cmd.flags != 0 || cmd.count != 0) {
    return Errc::invalid_argument;
  }
  return reset();
}

} // namespace sluice::vfio

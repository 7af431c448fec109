#include <ports/qemu/pci.hpp>
#include <ports/qemu/virt.hpp>

namespace sluice::ports::qemu {

namespace {
// PCI Local Bus 3.0, 6.1 and 6.2.5
constexpr std::uint16_t command = 0x04;
constexpr std::uint32_t memory_space = 1U << 1;
constexpr std::uint32_t bus_master = 1U << 2;
constexpr std::uint16_t header_type = 0x0e;
constexpr std::uint32_t multi_function = 0x80;
constexpr std::uint16_t first_bar = 0x10;
constexpr std::uint32_t bar_is_io = 1U << 0;
constexpr std::uint32_t bar_is_64bit = 1U << 2;
constexpr std::uint32_t bar_flags = 0xf;
} // namespace

std::uint32_t PciFunction::config_read(std::uint16_t offset, unsigned size) {
  const auto at = map::ecam + (std::uint64_t{rid_} << 12) + offset;
  return size == 1 ? bus_->read8(at) : size == 2 ? bus_->read16(at) : bus_->read32(at);
}

void PciFunction::config_write(std::uint16_t offset, unsigned size, std::uint32_t value) {
  const auto at = map::ecam + (std::uint64_t{rid_} << 12) + offset;
  if (size == 1) {
    bus_->write8(at, static_cast<std::uint8_t>(value));
  } else if (size == 2) {
    bus_->write16(at, static_cast<std::uint16_t>(value));
  } else {
    bus_->write32(at, value);
  }
}

void PciFunction::enable() { config_write(command, 2, config_read(command, 2) | memory_space | bus_master); }

// The sizes are learnt by writing ones: bits below the size stay 0. Answers what is free behind the BARs.
std::uint64_t PciFunction::assign_bars(std::uint64_t next) {
  for (unsigned n = 0; n < bars_.size(); ++n) {
    const auto at = static_cast<std::uint16_t>(first_bar + 4 * n);
    config_write(at, 4, ~0U);
    const auto sized = config_read(at, 4);
    if (sized == 0 || (sized & bar_is_io) != 0) {
      continue;
    }
    const std::uint64_t size = ~(sized & ~bar_flags) + 1U;
    const auto base = (next + size - 1) & ~(size - 1);
    if (base + size > map::pci_window_end) {
      continue;
    }
    config_write(at, 4, static_cast<std::uint32_t>(base));
    bars_[n] = base;
    next = base + size;
    if ((sized & bar_is_64bit) != 0 && n + 1 < bars_.size()) {
      config_write(static_cast<std::uint16_t>(at + 4), 4, 0);
      ++n;
    }
  }
  return next;
}

std::vector<PciFunction> enumerate(Qtest& bus) {
  std::vector<PciFunction> found;
  auto next = map::pci_window;
  for (std::uint16_t rid = 0; rid < 0x100; ++rid) {
    PciFunction function{bus, rid};
    if (function.config_read(0, 2) == 0xffff) {
      rid |= (rid & 7) == 0 ? 7 : 0; // 6.1: without function 0 there is no other
      continue;
    }
    const auto type = function.config_read(header_type, 1);
    if ((type & ~multi_function) == 0) { // not a bridge
      next = function.assign_bars(next);
    }
    found.push_back(function);
    rid |= (type & multi_function) == 0 && (rid & 7) == 0 ? 7 : 0;
  }
  return found;
}

} // namespace sluice::ports::qemu

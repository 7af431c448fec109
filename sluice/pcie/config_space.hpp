#pragma once

#include <sluice/base/atomic.hpp>

#include <array>
#include <cstdint>

namespace sluice::pcie {

// Offsets and bits of the type 0 header and of the PCI Express capability that this layer itself needs; the names are
// the PCI Express Base Specification's, sections 7.5.1 and 7.5.3.
namespace config {
constexpr std::uint16_t vendor_id = 0x00;
constexpr std::uint16_t device_id = 0x02;
constexpr std::uint16_t command = 0x04;
constexpr std::uint16_t status = 0x06;
constexpr std::uint16_t revision_id = 0x08;
constexpr std::uint16_t class_code = 0x09;
constexpr std::uint16_t bar0 = 0x10;
constexpr std::uint16_t subsystem_vendor_id = 0x2c;
constexpr std::uint16_t subsystem_id = 0x2e;
constexpr std::uint16_t rom = 0x30;
constexpr std::uint16_t capabilities_pointer = 0x34;
constexpr std::uint16_t interrupt_line = 0x3c;
constexpr std::uint16_t interrupt_pin = 0x3d;
constexpr std::uint16_t extended_capabilities = 0x100;

constexpr std::uint16_t command_memory_space = 1u << 1;
constexpr std::uint16_t command_bus_master = 1u << 2;
constexpr std::uint16_t command_interrupt_disable = 1u << 10;
constexpr std::uint16_t status_interrupt = 1u << 3;
constexpr std::uint16_t status_capabilities_list = 1u << 4;

constexpr std::uint8_t id_vendor_specific = 0x09;
constexpr std::uint8_t id_pci_express = 0x10;
constexpr std::uint8_t id_msix = 0x11;

constexpr std::uint16_t device_capabilities_2 = 0x24; // in the PCI Express capability
constexpr std::uint32_t end_end_tlp_prefixes = 1u << 21;
} // namespace config

// The 4096 bytes of a function's configuration space. Each bit is read-only, writable, or cleared by writing 1.
// Software and the function itself may write at the same time: each access is atomic on its own.
class ConfigSpace {
public:
  static constexpr std::uint16_t bytes = 4096;

  ConfigSpace();

  // `size` is 1, 2 or 4 and `offset` a multiple of it; else, and beyond the end, all ones are read and nothing is
  // written.
  std::uint32_t read(std::uint16_t offset, unsigned size) const;
  void write(std::uint16_t offset, unsigned size, std::uint32_t value);

  // For the function itself: the value regardless of what software may write.
  void set(std::uint16_t offset, unsigned size, std::uint32_t value);
  void make_writable(std::uint16_t offset, unsigned size, std::uint32_t bits);
  void make_write_one_to_clear(std::uint16_t offset, unsigned size, std::uint32_t bits);

  // Links a capability of `size` bytes, header included, to the end of the list and returns its offset, which is not
  // below `from`; 0 when the space is used up. 7.5.3: the list below 256; 7.6.3: the extended one from 256 on.
  std::uint16_t add_capability(std::uint8_t id, std::uint16_t size, std::uint16_t from = 0);
  std::uint16_t add_extended_capability(std::uint16_t id, unsigned version, std::uint16_t size);
  // The first of its kind below 256; 0: there is none.
  std::uint16_t find_capability(std::uint8_t id) const;

private:
  // What a word becomes, given what it is.
  template <class F>
  void update(std::uint16_t offset, F next);
  static constexpr bool good(std::uint16_t offset, unsigned size) {
    return (size == 1 || size == 2 || size == 4) && offset % size == 0 && offset < bytes;
  }

  std::array<base::Atomic<std::uint32_t>, bytes / 4> words_{};
  std::array<std::uint32_t, bytes / 4> writable_{};
  std::array<std::uint32_t, bytes / 4> clearable_{};
  std::uint16_t next_free_{0x40};
  std::uint16_t last_{0};
  std::uint16_t next_extended_{config::extended_capabilities};
  std::uint16_t last_extended_{0};
};

} // namespace sluice::pcie

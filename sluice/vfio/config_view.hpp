#pragma once

#include <sluice/pcie/function.hpp>

#include <array>
#include <cstdint>

namespace sluice::vfio {

// A function's configuration space as vfio-pci shows it. Each bit is the function's own or the view's, and writable or
// not. The view's own are the BARs, the interrupt line and disable bit, MSI's address and data, and the links of the
// capability lists; read-only are PCI Express but for its controls, MSI-X, ATS and PRI; PASID is not there. What no
// capability owns is the function's own affair and passes.
class ConfigView {
public:
  static constexpr std::uint16_t bytes = pcie::ConfigSpace::bytes;

  ConfigView(pcie::Function& function, bool show_pasid) : function_{function}, show_pasid_{show_pasid} {}

  // Looks at the function anew.
  void open();

  // Of 1, 2 or 4 bytes at a multiple of it.
  std::uint32_t read(std::uint16_t at, unsigned size);
  void write(std::uint16_t at, unsigned size, std::uint32_t value);

  bool memory_enabled() const { return (shown(pcie::config::command, 2) & pcie::config::command_memory_space) != 0; }
  bool interrupt_disabled() const {
    return (shown(pcie::config::command, 2) & pcie::config::command_interrupt_disable) != 0;
  }

private:
  using Bytes = std::array<std::uint8_t, bytes>;

  static std::uint32_t get(const Bytes& from, std::uint16_t at, unsigned size);
  static void put(Bytes& into, std::uint16_t at, unsigned size, std::uint32_t value);
  std::uint32_t shown(std::uint16_t at, unsigned size) const { return get(shown_, at, size); }
  std::uint32_t real(unsigned at, unsigned size) const {
    return function_.config_read(static_cast<std::uint16_t>(at), size);
  }
  void rule(unsigned at, unsigned size, std::uint32_t own, std::uint32_t writable);
  void protect(unsigned at, unsigned size);

  void open_header();
  void open_capabilities();
  // Its length; 0 hides it.
  unsigned open_capability(std::uint16_t at, std::uint8_t id);
  unsigned open_msi(std::uint16_t at);
  void open_extended();
  bool shows_extended(std::uint16_t id) const;
  void open_extended_capability(std::uint16_t at, std::uint16_t id, unsigned end);
  void size_bars();

  pcie::Function& function_;
  bool show_pasid_;
  Bytes shown_{};    // the view's own bits
  Bytes own_{};      // which bits are the view's
  Bytes writable_{}; // and which the client may write
};

} // namespace sluice::vfio

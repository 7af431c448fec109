#pragma once

#include <sluice/base/result.hpp>
#include <sluice/platform/pci.hpp>

#include <cstdint>

// The extended capabilities of a PCI function with which it uses an SMMU's translations: PCI Express Base Specification
// 10.5.1 ATS, 10.5.2 PRI and 7.8.9 PASID.
namespace sluice::platform {

namespace pci {
inline constexpr std::uint16_t extended_capabilities = 0x100;
inline constexpr std::uint16_t config_bytes = 4096;

inline constexpr std::uint16_t ats_id = 0x000f;
inline constexpr std::uint16_t ats_capability = 4;
inline constexpr std::uint16_t ats_queue_depth = 0x1f; // 0: 32
inline constexpr std::uint16_t ats_page_aligned = 1u << 5;
inline constexpr std::uint16_t ats_global = 1u << 6;
inline constexpr std::uint16_t ats_control = 6;
inline constexpr std::uint16_t ats_stu = 0x1f; // log2 of the Smallest Translation Unit, from 4 KB
inline constexpr std::uint16_t ats_enable = 1u << 15;
inline constexpr std::uint16_t ats_bytes = 8;

inline constexpr std::uint16_t pri_id = 0x0013;
inline constexpr std::uint16_t pri_control = 4;
inline constexpr std::uint16_t pri_enable = 1u << 0;
inline constexpr std::uint16_t pri_reset = 1u << 1;
inline constexpr std::uint16_t pri_status = 6;
inline constexpr std::uint16_t pri_response_failure = 1u << 0;
inline constexpr std::uint16_t pri_unexpected_index = 1u << 1;
inline constexpr std::uint16_t pri_stopped = 1u << 8;
inline constexpr std::uint16_t pri_pasid_in_response = 1u << 15;
inline constexpr std::uint16_t pri_capacity = 8;
inline constexpr std::uint16_t pri_allocation = 12;
inline constexpr std::uint16_t pri_bytes = 16;

inline constexpr std::uint16_t pasid_id = 0x001b;
inline constexpr std::uint16_t pasid_capability = 4;
inline constexpr std::uint16_t pasid_execute = 1u << 1;
inline constexpr std::uint16_t pasid_privileged = 1u << 2;
inline constexpr unsigned pasid_width_shift = 8;
inline constexpr std::uint16_t pasid_width = 0x1f;
inline constexpr std::uint16_t pasid_control = 6;
inline constexpr std::uint16_t pasid_enable = 1u << 0; // execute and privileged: the bits of the capability
inline constexpr std::uint16_t pasid_bytes = 8;

// 7.6.3: 0 if there is none.
constexpr std::uint16_t find_extended(PciFunction& function, std::uint16_t id) {
  std::uint16_t at = extended_capabilities;
  // A list that does not end is cut off where it would have met every word.
  for (unsigned i = 0; i < config_bytes / 4 && at >= extended_capabilities; ++i) {
    const std::uint32_t header = function.config_read(at, 4);
    if (header == 0 || header == ~0U) {
      return 0;
    }
    if ((header & 0xffff) == id) {
      return at;
    }
    at = static_cast<std::uint16_t>(header >> 20 & 0xffc);
  }
  return 0;
}
} // namespace pci

// What a function can do with translations, and how it is told to. None of the calls waits.
class PciTranslation {
public:
  explicit PciTranslation(PciFunction& function)
      : function_{function}, ats_{pci::find_extended(function, pci::ats_id)},
        pri_{pci::find_extended(function, pci::pri_id)}, pasid_{pci::find_extended(function, pci::pasid_id)} {}

  // ATS counts where the way to the SMMU lets it through; PRI needs ATS.
  bool has_ats() const { return ats_ != 0 && function_.facts().ats_allowed; }
  bool has_pri() const { return pri_ != 0 && has_ats(); }
  bool has_pasid() const { return pasid_ != 0; }

  bool ats_enabled() const { return has_ats() && (read(ats_ + pci::ats_control) & pci::ats_enable) != 0; }
  bool pri_enabled() const { return has_pri() && (read(pri_ + pci::pri_control) & pci::pri_enable) != 0; }
  bool pasid_enabled() const { return has_pasid() && (read(pasid_ + pci::pasid_control) & pci::pasid_enable) != 0; }

  // Bits of a PASID; 0 without.
  unsigned pasid_bits() const {
    return has_pasid() ? read(pasid_ + pci::pasid_capability) >> pci::pasid_width_shift & pci::pasid_width : 0U;
  }
  bool can_execute() const { return has_pasid() && (read(pasid_ + pci::pasid_capability) & pci::pasid_execute) != 0; }
  bool can_be_privileged() const {
    return has_pasid() && (read(pasid_ + pci::pasid_capability) & pci::pasid_privileged) != 0;
  }
  // 10.5.2.3: a response has told it of a failure, so that it asks for no more pages until it is enabled anew.
  bool pri_failed() const { return has_pri() && (read(pri_ + pci::pri_status) & pci::pri_response_failure) != 0; }
  // 10.3.7: whether responses to its page requests have to carry the PASID.
  bool pasid_in_response() const {
    return has_pri() && (read(pri_ + pci::pri_status) & pci::pri_pasid_in_response) != 0;
  }
  // 10.5.2: as many requests it can have under way.
  std::uint32_t page_request_capacity() const {
    return has_pri() ? function_.config_read(static_cast<std::uint16_t>(pri_ + pci::pri_capacity), 4) : 0;
  }

  // 7.8.9.3: not while ATS is enabled. Errors: unsupported, busy.
  base::Result<void> enable_pasid(bool execute, bool privileged) {
    if (!has_pasid() || (execute && !can_execute()) || (privileged && !can_be_privileged())) {
      return base::Errc::unsupported;
    }
    if (ats_enabled()) {
      return base::Errc::busy;
    }
    write(pasid_ + pci::pasid_control,
          pci::pasid_enable | (execute ? pci::pasid_execute : 0) | (privileged ? pci::pasid_privileged : 0));
    return {};
  }
  base::Result<void> disable_pasid() {
    if (!has_pasid()) {
      return base::Errc::unsupported;
    }
    if (ats_enabled()) {
      return base::Errc::busy;
    }
    write(pasid_ + pci::pasid_control, 0);
    return {};
  }

  // `stu` is the log2 of the smallest translation, 12 or more. Errors: unsupported, invalid_argument, busy (it is
  // enabled, and STU may not change then).
  base::Result<void> enable_ats(unsigned stu) {
    if (!has_ats()) {
      return base::Errc::unsupported;
    }
    if (stu < 12 || stu - 12 > pci::ats_stu) {
      return base::Errc::invalid_argument;
    }
    if (ats_enabled()) {
      return base::Errc::busy;
    }
    write(ats_ + pci::ats_control, pci::ats_enable | (stu - 12));
    return {};
  }
  // From then on the function asks for no translation and uses none; what its ATC holds is still to be invalidated.
  void disable_ats() {
    if (ats_enabled()) {
      const std::uint32_t at = ats_ + pci::ats_control;
      write(at, read(at) & ~std::uint32_t{pci::ats_enable});
    }
  }

  // At most `allocation` requests under way. 10.5.2.2: only while PRI is not enabled, and reset first. Errors:
  // unsupported, invalid_argument (0, or more than the capacity), busy (enabled, or earlier requests are not over yet).
  base::Result<void> enable_pri(std::uint32_t allocation) {
    if (!has_pri()) {
      return base::Errc::unsupported;
    }
    if (allocation == 0 || allocation > page_request_capacity()) {
      return base::Errc::invalid_argument;
    }
    if (pri_enabled() || (read(pri_ + pci::pri_status) & pci::pri_stopped) == 0) {
      return base::Errc::busy;
    }
    write(pri_ + pci::pri_control, pci::pri_reset);
    write(pri_ + pci::pri_status, pci::pri_response_failure | pci::pri_unexpected_index); // written 1, cleared
    function_.config_write(static_cast<std::uint16_t>(pri_ + pci::pri_allocation), 4, allocation);
    write(pri_ + pci::pri_control, pci::pri_enable);
    return {};
  }
  // It asks for no more pages; those asked for are still to be answered.
  void disable_pri() {
    if (pri_enabled()) {
      write(pri_ + pci::pri_control, 0);
    }
  }
  // Everything that it asked for while enabled has been answered.
  bool pri_stopped() const { return !has_pri() || (read(pri_ + pci::pri_status) & pci::pri_stopped) != 0; }

private:
  std::uint32_t read(unsigned at) const { return function_.config_read(static_cast<std::uint16_t>(at), 2); }
  void write(unsigned at, std::uint32_t value) { function_.config_write(static_cast<std::uint16_t>(at), 2, value); }

  PciFunction& function_;
  const std::uint16_t ats_, pri_, pasid_;
};

} // namespace sluice::platform

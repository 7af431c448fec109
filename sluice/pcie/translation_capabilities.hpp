#pragma once

#include <sluice/pcie/config_space.hpp>
#include <sluice/platform/pci_translation.hpp>

#include <cstdint>

namespace sluice::pcie {

// What a function offers of ATS, PASID and PRI.
struct TranslationConfig {
  bool ats{};
  std::uint8_t pasid_bits{};     // 1 to 20; 0: no PASIDs
  bool execute{};                // may ask for execute permission, with a PASID
  bool privileged{};             // may be privileged, with a PASID
  std::uint32_t page_requests{}; // that can be under way, at most 512; 0: no PRI, which needs ATS
  bool pasid_in_response{};      // PRG Response PASID Required

  bool none() const { return !ats && pasid_bits == 0; }
};

// PCI Express Base Specification 10.5.1, 7.8.9, 10.5.2: the extended capabilities of a function for them. The state is
// that of the configuration space; software may change it at any moment.
class TranslationCapabilities {
public:
  TranslationCapabilities(ConfigSpace& space, const TranslationConfig& config);

  const TranslationConfig& config() const { return config_; }
  bool ats_enabled() const { return control(ats_, platform::pci::ats_control, platform::pci::ats_enable); }
  // log2 of the Smallest Translation Unit
  unsigned stu() const;
  bool pasid_enabled() const { return control(pasid_, platform::pci::pasid_control, platform::pci::pasid_enable); }
  bool may_execute() const {
    return pasid_enabled() && control(pasid_, platform::pci::pasid_control, platform::pci::pasid_execute);
  }
  bool may_be_privileged() const {
    return pasid_enabled() && control(pasid_, platform::pci::pasid_control, platform::pci::pasid_privileged);
  }
  bool pri_enabled() const { return control(pri_, platform::pci::pri_control, platform::pci::pri_enable); }
  bool response_failed() const { return control(pri_, platform::pci::pri_status, platform::pci::pri_response_failure); }
  bool unexpected_index() const {
    return control(pri_, platform::pci::pri_status, platform::pci::pri_unexpected_index);
  }
  // Requests that may be under way.
  std::uint32_t allocation() const;

  // After each write to the configuration space: whether PRI Reset was written, which counts while PRI is not enabled.
  bool take_pri_reset();
  // 10.4.2: what the function has met.
  void set_response_failure() { raise_status(platform::pci::pri_response_failure); }
  void set_unexpected_index() { raise_status(platform::pci::pri_unexpected_index); }
  // 10.5.2.3 Stopped: PRI is not enabled and all requests are over.
  void set_stopped(bool stopped);
  // As after a reset of the function.
  void reset();

private:
  bool control(std::uint16_t capability, std::uint16_t at, std::uint16_t bit) const {
    return capability != 0 && (space_.read(static_cast<std::uint16_t>(capability + at), 2) & bit) != 0;
  }
  void raise_status(std::uint32_t bit);
  void add_ats();
  void add_pasid();
  void add_pri();

  ConfigSpace& space_;
  const TranslationConfig config_;
  std::uint16_t ats_{}, pasid_{}, pri_{};
};

} // namespace sluice::pcie

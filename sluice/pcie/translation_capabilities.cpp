#include <sluice/pcie/translation_capabilities.hpp>

#include <sluice/base/check.hpp>

namespace sluice::pcie {

namespace pci = platform::pci;

namespace {
constexpr std::uint16_t at(std::uint16_t capability, std::uint16_t offset) {
  return static_cast<std::uint16_t>(capability + offset);
}
} // namespace

TranslationCapabilities::TranslationCapabilities(ConfigSpace& space, const TranslationConfig& config)
    : space_{space}, config_{config} {
  base::check(config.pasid_bits <= 20 && config.page_requests <= 512 && (config.ats || config.page_requests == 0));
  if (config_.ats) {
    add_ats();
  }
  if (config_.pasid_bits != 0) {
    add_pasid();
  }
  if (config_.page_requests != 0) {
    add_pri();
  }
}

void TranslationCapabilities::add_ats() {
  ats_ = space_.add_extended_capability(pci::ats_id, 1, pci::ats_bytes);
  space_.set(at(ats_, pci::ats_capability), 2, pci::ats_page_aligned | pci::ats_global); // depth 0: 32
  space_.make_writable(at(ats_, pci::ats_control), 2, pci::ats_enable | pci::ats_stu);
}

void TranslationCapabilities::add_pasid() {
  pasid_ = space_.add_extended_capability(pci::pasid_id, 1, pci::pasid_bytes);
  const std::uint32_t rights =
      (config_.execute ? pci::pasid_execute : 0U) | (config_.privileged ? pci::pasid_privileged : 0U);
  space_.set(at(pasid_, pci::pasid_capability), 2,
             rights | static_cast<std::uint32_t>(config_.pasid_bits) << pci::pasid_width_shift);
  space_.make_writable(at(pasid_, pci::pasid_control), 2, pci::pasid_enable | rights);
  // 6.20.1: a PASID is an End-End TLP Prefix.
  if (const std::uint16_t express = space_.find_capability(config::id_pci_express); express != 0) {
    const std::uint16_t there = at(express, config::device_capabilities_2);
    space_.set(there, 4, space_.read(there, 4) | config::end_end_tlp_prefixes);
  }
}

void TranslationCapabilities::add_pri() {
  pri_ = space_.add_extended_capability(pci::pri_id, 1, pci::pri_bytes);
  space_.make_writable(at(pri_, pci::pri_control), 2, pci::pri_enable | pci::pri_reset);
  space_.make_write_one_to_clear(at(pri_, pci::pri_status), 2, pci::pri_response_failure | pci::pri_unexpected_index);
  space_.set(at(pri_, pci::pri_status), 2,
             pci::pri_stopped | (config_.pasid_in_response ? std::uint32_t{pci::pri_pasid_in_response} : 0));
  space_.set(at(pri_, pci::pri_capacity), 4, config_.page_requests);
  space_.make_writable(at(pri_, pci::pri_allocation), 4, ~0U);
}

unsigned TranslationCapabilities::stu() const {
  return 12 + (ats_ == 0 ? 0 : space_.read(at(ats_, pci::ats_control), 2) & pci::ats_stu);
}

std::uint32_t TranslationCapabilities::allocation() const {
  const std::uint32_t allocated = pri_ == 0 ? 0 : space_.read(at(pri_, pci::pri_allocation), 4);
  return allocated < config_.page_requests ? allocated : config_.page_requests;
}

bool TranslationCapabilities::take_pri_reset() {
  if (!control(pri_, pci::pri_control, pci::pri_reset)) {
    return false;
  }
  const std::uint32_t now = space_.read(at(pri_, pci::pri_control), 2);
  space_.set(at(pri_, pci::pri_control), 2, now & ~std::uint32_t{pci::pri_reset}); // 10.5.2.2: reads as 0
  return (now & pci::pri_enable) == 0;
}

void TranslationCapabilities::raise_status(std::uint32_t bit) {
  if (pri_ != 0) {
    // By bytes: the two that software clears lie in the lower one.
    space_.set(at(pri_, pci::pri_status), 1, space_.read(at(pri_, pci::pri_status), 1) | bit);
  }
}

void TranslationCapabilities::set_stopped(bool stopped) {
  if (pri_ != 0) {
    const auto high = at(pri_, pci::pri_status + 1);
    const std::uint32_t others = space_.read(high, 1) & ~(std::uint32_t{pci::pri_stopped} >> 8);
    space_.set(high, 1, others | (stopped ? std::uint32_t{pci::pri_stopped} >> 8 : 0));
  }
}

void TranslationCapabilities::reset() {
  if (ats_ != 0) {
    space_.set(at(ats_, pci::ats_control), 2, 0);
  }
  if (pasid_ != 0) {
    space_.set(at(pasid_, pci::pasid_control), 2, 0);
  }
  if (pri_ != 0) {
    space_.set(at(pri_, pci::pri_control), 2, 0);
    space_.set(at(pri_, pci::pri_status), 1, 0);
    space_.set(at(pri_, pci::pri_allocation), 4, 0);
    set_stopped(true);
  }
}

} // namespace sluice::pcie

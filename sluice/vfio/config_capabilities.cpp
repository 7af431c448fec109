#include <sluice/vfio/config_view.hpp>

#include <algorithm>
#include <array>

// Which capabilities vfio-pci shows and what of them may be written.
namespace sluice::vfio {

namespace config = pcie::config;

namespace {

constexpr std::uint16_t first_capability = 0x40;
constexpr std::uint16_t first_extended = config::extended_capabilities;
constexpr std::uint32_t all = ~0u;

constexpr std::uint8_t id_power = 0x01;
constexpr std::uint8_t id_vpd = 0x03;
constexpr std::uint8_t id_msi = 0x05;
constexpr std::uint8_t id_advanced_features = 0x13;

constexpr std::uint16_t extended_vendor = 0x0b;
constexpr std::uint16_t extended_pasid = 0x1b;
constexpr std::uint16_t extended_designated_vendor = 0x23;

// AER, VC, serial number, power, MFVC, VC, vendor, ACS, ARI, ATS, SR-IOV, multicast, PRI, resizable BAR, DPA, TPH, LTR,
// designated vendor
constexpr std::array<std::uint16_t, 18> extended_shown{
    0x01, 0x02, 0x03, 0x04, 0x08, 0x09, extended_vendor,           0x0d, 0x0e, 0x0f, 0x10,
    0x12, 0x13, 0x15, 0x16, 0x17, 0x18, extended_designated_vendor};

} // namespace

void ConfigView::open_capabilities() {
  std::uint16_t link = config::capabilities_pointer;
  auto at = static_cast<std::uint16_t>(real(link, 1) & ~3u);
  bool any = false;
  bool express = false;
  for (unsigned i = 0; at >= first_capability && i < (first_extended - first_capability) / 4; ++i) {
    const auto id = static_cast<std::uint8_t>(real(at, 1));
    const auto next = static_cast<std::uint16_t>(real(at + 1u, 1) & ~3u);
    const unsigned length = open_capability(at, id);
    if (length == 0) {
      put(shown_, link, 1, next);
    } else {
      rule(at + 1u, 1, all, 0); // so that a hidden one can be passed over
      link = static_cast<std::uint16_t>(at + 1);
      any = true;
      express = express || id == config::id_pci_express;
    }
    at = next;
  }
  if (!any) {
    put(shown_, config::status, 2, real(config::status, 2) & ~std::uint32_t{config::status_capabilities_list});
  }
  if (express && real(first_extended, 4) != 0) {
    open_extended();
  }
}

unsigned ConfigView::open_capability(std::uint16_t at, std::uint8_t id) {
  constexpr unsigned express_bytes = 0x3c;
  constexpr unsigned device_control = 0x08;
  constexpr unsigned device_control_2 = 0x28;
  constexpr std::uint32_t phantom_functions = 1u << 9;
  constexpr std::uint32_t function_reset = 1u << 15;
  constexpr std::uint32_t payload_size = 7u << 5;
  constexpr std::uint32_t read_size = 7u << 12;
  constexpr std::uint32_t ari_forwarding = 1u << 5;
  switch (id) {
  case config::id_vendor_specific: { // its own length says how far it goes; all of it passes
    return real(at + 2u, 1);
  }
  case config::id_msix:
    protect(at, 12);
    return 12;
  case config::id_pci_express:
    protect(at, express_bytes);
    // A reset by this bit is for the client's call; it reads as zero. The sizes are the link's affair.
    rule(at + device_control, 2, function_reset | payload_size | read_size, ~(phantom_functions | function_reset));
    rule(at + device_control_2, 2, 0, ~ari_forwarding);
    return express_bytes;
  case id_msi:
    return open_msi(at);
  case id_power:
  case id_vpd:
    protect(at, 8);
    return 8;
  case id_advanced_features:
    protect(at, 6);
    return 6;
  default:
    return 0;
  }
}

// 7.7.1: the client's address and data are its own; interrupts come by SET_IRQS.
unsigned ConfigView::open_msi(std::uint16_t at) {
  constexpr std::uint32_t wide = 1u << 7;
  constexpr std::uint32_t maskable = 1u << 8;
  const std::uint32_t control = real(at + 2u, 2);
  const bool has_upper = (control & wide) != 0;
  const unsigned length = 10 + (has_upper ? 4 : 0) + ((control & maskable) != 0 ? 10 : 0);
  protect(at, length);
  rule(at + 4u, 4, all, all);
  if (has_upper) {
    rule(at + 8u, 4, all, all);
  }
  rule(at + (has_upper ? 12u : 8u), 2, all, all);
  return length;
}

bool ConfigView::shows_extended(std::uint16_t id) const {
  return (id == extended_pasid && show_pasid_) ||
         std::find(extended_shown.begin(), extended_shown.end(), id) != extended_shown.end();
}

void ConfigView::open_extended() {
  constexpr unsigned link_shift = 20;
  constexpr std::uint32_t link_bits = 0xffcu << link_shift;
  std::uint16_t before = 0;
  bool any = false;
  std::uint16_t at = first_extended;
  for (unsigned i = 0; at >= first_extended && i < (bytes - first_extended) / 4; ++i) {
    const std::uint32_t header = real(at, 4);
    const auto id = static_cast<std::uint16_t>(header);
    const auto next = static_cast<std::uint16_t>(header >> link_shift & 0xffc);
    open_extended_capability(at, id, next > at ? next : bytes);
    rule(at, 4, all, 0);
    if (shows_extended(id)) {
      any = true;
      before = at;
    } else if (before != 0) {
      put(shown_, before, 4, (shown(before, 4) & ~link_bits) | std::uint32_t{next} << link_shift);
    } else { // the first one holds the list and has no name
      put(shown_, at, 4, header & link_bits);
      before = at;
    }
    at = next;
  }
  if (!any) {
    put(shown_, first_extended, 4, 0);
  }
}

void ConfigView::open_extended_capability(std::uint16_t at, std::uint16_t id, unsigned end) {
  if (id == extended_vendor || id == extended_designated_vendor) {
    return;
  }
  const unsigned length = std::min(end - at, 0x40u);
  protect(at, length);
  if (!shows_extended(id)) { // and its registers are not there either
    for (unsigned i = 0; i < length; ++i) {
      rule(at + i, 1, all, 0);
      shown_[at + i] = 0;
    }
  }
}

} // namespace sluice::vfio

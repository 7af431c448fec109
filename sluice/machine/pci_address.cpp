#include <sluice/machine/host.hpp>

#include <array>
#include <charconv>
#include <cstdio>

namespace sluice::machine {

namespace {

// Exactly `digits` of base 16, and then `end` unless that is 0.
std::optional<unsigned> take(std::string_view& text, std::size_t digits, char end) {
  unsigned value = 0;
  if (text.size() < digits + (end != 0 ? 1 : 0)) {
    return std::nullopt;
  }
  const auto [stop, error] = std::from_chars(text.data(), text.data() + digits, value, 16);
  if (error != std::errc{} || stop != text.data() + digits || (end != 0 && text[digits] != end)) {
    return std::nullopt;
  }
  text.remove_prefix(digits + (end != 0 ? 1 : 0));
  return value;
}

} // namespace

std::optional<PciAddress> parse_pci_address(std::string_view text) {
  constexpr std::size_t without_domain = 7; // "00:03.0"
  std::optional<unsigned> domain{0};
  if (text.size() != without_domain) {
    domain = take(text, 4, ':');
  }
  const auto bus = take(text, 2, ':');
  const auto device = take(text, 2, '.');
  const auto function = take(text, 1, 0);
  if (!domain || !bus || !device || !function || !text.empty() || *device > 31 || *function > 7) {
    return std::nullopt;
  }
  return PciAddress{static_cast<std::uint16_t>(*domain), static_cast<std::uint8_t>(*bus),
                    static_cast<std::uint8_t>(*device), static_cast<std::uint8_t>(*function)};
}

std::string to_string(const PciAddress& address) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04x:%02x:%02x.%x", address.domain, address.bus, address.device,
                address.function);
  return text.data();
}

} // namespace sluice::machine

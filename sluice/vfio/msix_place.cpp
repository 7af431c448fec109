#include <sluice/vfio/msix_place.hpp>

namespace sluice::vfio {

namespace {
constexpr unsigned most_capabilities = (0x100 - 0x40) / 4;
}

std::uint16_t find_capability(const pcie::Function& function, std::uint8_t id) {
  auto at = static_cast<std::uint16_t>(function.config_read(pcie::config::capabilities_pointer, 1) & ~3u);
  for (unsigned i = 0; at != 0 && i < most_capabilities; ++i) {
    if (function.config_read(at, 1) == id) {
      return at;
    }
    at = static_cast<std::uint16_t>(function.config_read(static_cast<std::uint16_t>(at + 1), 1) & ~3u);
  }
  return 0;
}

std::optional<MsixPlace> find_msix(const pcie::Function& function) {
  const std::uint16_t at = find_capability(function, pcie::config::id_msix);
  if (at == 0) {
    return std::nullopt;
  }
  const std::uint32_t control = function.config_read(static_cast<std::uint16_t>(at + 2), 2);
  const std::uint32_t table = function.config_read(static_cast<std::uint16_t>(at + 4), 4);
  return MsixPlace{.capability = at, .vectors = (control & 0x7ff) + 1, .bar = table & 7, .offset = table & ~7u};
}

} // namespace sluice::vfio

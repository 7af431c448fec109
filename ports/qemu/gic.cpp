#include <ports/qemu/gic.hpp>
#include <ports/qemu/virt.hpp>

namespace sluice::ports::qemu {

namespace {
// GIC architecture, 12.9: distributor registers, one bit or two per interrupt; SPI n is interrupt 32 + n.
constexpr std::uint64_t GICD_ISPENDR = map::gicd + 0x200;
constexpr std::uint64_t GICD_ICPENDR = map::gicd + 0x280;
constexpr std::uint64_t GICD_ICFGR = map::gicd + 0xc00;
constexpr std::uint32_t spis = 988;

constexpr std::uint64_t word_of(platform::IrqLine line) { return (line + 32) / 32 * 4; }
constexpr std::uint32_t bit_of(platform::IrqLine line) { return 1U << (line % 32); }
} // namespace

base::Status Gic::connect(platform::IrqLine line, platform::IrqHandler& handler) {
  if (line >= spis) {
    return base::Errc::not_found;
  }
  if (!handlers_.emplace(line, &handler).second) {
    return base::Errc::already_exists;
  }
  const auto config = GICD_ICFGR + (line + 32) / 16 * 4;
  bus_.write32(config, bus_.read32(config) | 2U << (line % 16 * 2));
  return {};
}

void Gic::disconnect(platform::IrqLine line) { handlers_.erase(line); }

bool Gic::pending(platform::IrqLine line) { return (bus_.read32(GICD_ISPENDR + word_of(line)) & bit_of(line)) != 0; }

unsigned Gic::deliver() {
  unsigned delivered = 0;
  const auto connected = handlers_; // a handler may connect and disconnect
  for (const auto& [line, handler] : connected) {
    if (bus_.failure().empty() && pending(line)) {
      bus_.write32(GICD_ICPENDR + word_of(line), bit_of(line));
      handler->on_irq();
      ++delivered;
    }
  }
  return delivered;
}

} // namespace sluice::ports::qemu

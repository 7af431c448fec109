#include <sluice/vfio/config_view.hpp>

namespace sluice::vfio {

namespace config = pcie::config;

namespace {

constexpr std::uint32_t all = ~0u;

constexpr std::uint32_t ones(unsigned size) { return size == 4 ? all : (1u << size * 8) - 1; }
constexpr bool meets(std::uint16_t at, unsigned size, std::uint16_t from, std::uint16_t end) {
  return at < end && at + size > from;
}

constexpr std::uint16_t cache_line_size = 0x0c;
constexpr std::uint16_t latency_timer = 0x0d;
constexpr std::uint16_t self_test = 0x0f;
constexpr std::uint16_t bars_end = config::bar0 + 6 * 4;
constexpr std::uint16_t header_end = 0x40;

} // namespace

std::uint32_t ConfigView::get(const Bytes& from, std::uint16_t at, unsigned size) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    value |= std::uint32_t{from[at + i]} << 8 * i;
  }
  return value;
}

void ConfigView::put(Bytes& into, std::uint16_t at, unsigned size, std::uint32_t value) {
  for (unsigned i = 0; i < size; ++i) {
    into[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
  }
}

void ConfigView::rule(unsigned at, unsigned size, std::uint32_t own, std::uint32_t writable) {
  put(own_, static_cast<std::uint16_t>(at), size, own);
  put(writable_, static_cast<std::uint16_t>(at), size, writable);
}

void ConfigView::protect(unsigned at, unsigned size) {
  for (unsigned i = 0; i < size && at + i < bytes; ++i) {
    rule(at + i, 1, 0, 0);
  }
}

void ConfigView::open() {
  for (std::uint16_t at = 0; at < bytes; at = static_cast<std::uint16_t>(at + 4)) {
    put(shown_, at, 4, real(at, 4));
    rule(at, 4, 0, at < header_end ? 0 : all);
  }
  open_header();
  open_capabilities();
}

void ConfigView::open_header() {
  rule(config::vendor_id, 4, all, 0);
  rule(config::command, 2, config::command_interrupt_disable, all);
  rule(config::status, 2, config::status_capabilities_list, 0);
  rule(cache_line_size, 1, 0, all);
  rule(latency_timer, 1, 0, all);
  rule(self_test, 1, 0, all);
  for (unsigned bar = config::bar0; bar < bars_end; bar += 4) {
    rule(bar, 4, all, all);
  }
  rule(config::rom, 4, all, all);
  rule(config::capabilities_pointer, 1, all, 0);
  rule(config::interrupt_line, 1, all, all);
  rule(config::interrupt_pin, 1, all, 0);
}

// The low bits say what a BAR is and how large: what is read back after ones have been written.
void ConfigView::size_bars() {
  for (unsigned i = 0; i < 6; ++i) {
    const auto at = static_cast<std::uint16_t>(config::bar0 + 4 * i);
    const std::uint64_t size = function_.bar_size(i);
    if (size == 0) {
      put(shown_, at, 4, 0);
      continue;
    }
    const std::uint64_t mask = ~(size - 1);
    const std::uint32_t kind = real(at, 4) & 0xf;
    put(shown_, at, 4, (shown(at, 4) & static_cast<std::uint32_t>(mask)) | kind);
    if ((kind & 0x4) != 0) {
      const auto upper = static_cast<std::uint16_t>(at + 4);
      put(shown_, upper, 4, shown(upper, 4) & static_cast<std::uint32_t>(mask >> 32));
      ++i;
    }
  }
  put(shown_, config::rom, 4, 0); // there is none
}

std::uint32_t ConfigView::read(std::uint16_t at, unsigned size) {
  if (meets(at, size, config::bar0, bars_end) || meets(at, size, config::rom, config::rom + 4)) {
    size_bars();
  }
  const std::uint32_t own = get(own_, at, size);
  return (function_.config_read(at, size) & ~own) | (shown(at, size) & own);
}

void ConfigView::write(std::uint16_t at, unsigned size, std::uint32_t value) {
  const std::uint32_t writable = get(writable_, at, size);
  const std::uint32_t own = get(own_, at, size);
  if (const std::uint32_t mine = writable & own; mine != 0) {
    put(shown_, at, size, (shown(at, size) & ~mine) | (value & mine));
  }
  if (meets(at, size, config::command, config::command + 1)) { // what BARs answer to, as the client has it
    const std::uint32_t old = shown(config::command, 1) & ~std::uint32_t{config::command_memory_space};
    put(shown_, config::command, 1, old | (value & config::command_memory_space));
  }
  if (const std::uint32_t passed = writable & ~own; passed != 0) {
    const std::uint32_t kept = passed == ones(size) ? 0 : function_.config_read(at, size) & ~passed;
    function_.config_write(at, size, kept | (value & passed));
  }
}

} // namespace sluice::vfio

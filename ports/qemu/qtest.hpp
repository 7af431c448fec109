#pragma once

#include <ports/qemu/process.hpp>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace sluice::ports::qemu {

std::string hex(std::uint64_t value);

// The client of QEMU's qtest protocol: one line asks, one line answers. Accesses are those of a processor at physical
// addresses. After the first failure (QEMU gone, silent or refusing) it behaves as a device that was pulled out: reads
// give all ones, writes vanish, and failure() says what happened. Any thread may call.
class Qtest {
public:
  // `peer` is our end of a stream socket.
  Qtest(Fd peer, int limit_ms) : peer_{std::move(peer)}, limit_ms_{limit_ms} {}

  std::uint8_t read8(std::uint64_t at) { return static_cast<std::uint8_t>(read('b', at)); }
  std::uint16_t read16(std::uint64_t at) { return static_cast<std::uint16_t>(read('w', at)); }
  std::uint32_t read32(std::uint64_t at) { return static_cast<std::uint32_t>(read('l', at)); }
  std::uint64_t read64(std::uint64_t at) { return read('q', at); }
  void write8(std::uint64_t at, std::uint8_t value) { write('b', at, value); }
  void write16(std::uint64_t at, std::uint16_t value) { write('w', at, value); }
  void write32(std::uint64_t at, std::uint32_t value) { write('l', at, value); }
  void write64(std::uint64_t at, std::uint64_t value) { write('q', at, value); }

  // An edge into an input of a device, which is named by its path in QEMU's tree of objects.
  void pulse_irq(const std::string& device, unsigned input);

  // For each answer from now on. Before others call.
  void set_limit(int limit_ms) { limit_ms_ = limit_ms; }
  // Empty while all is well.
  std::string failure() const;
  // How many lines were asked and answered.
  std::uint64_t calls() const;

private:
  std::uint64_t read(char width, std::uint64_t at);
  void write(char width, std::uint64_t at, std::uint64_t value);
  void command(const std::string& line);
  std::string ask(std::string_view line);
  bool send(std::string_view line);
  bool receive(std::string& line);
  std::string fail(std::string_view line, std::string_view why);

  Fd peer_;
  int limit_ms_;
  mutable std::mutex one_at_a_time_;
  std::string unread_;
  std::string failure_;
  std::uint64_t calls_{};
};

} // namespace sluice::ports::qemu

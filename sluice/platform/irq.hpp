#pragma once

#include <sluice/base/result.hpp>

#include <cstdint>

namespace sluice::platform {

class IrqHandler {
public:
  // Runs in a thread of the port or with interrupts off; never twice at once for one line.
  virtual void on_irq() = 0;

protected:
  ~IrqHandler() = default;
};

// An interrupt line of the system, in the port's numbering.
using IrqLine = std::uint32_t;

// 32 bits that a device writes instead of driving a wire.
struct IrqMessage {
  std::uint64_t address{}; // as the device says it on its bus
  std::uint32_t data{};
};

class Irq {
public:
  // Errors: not_found (no such line), already_exists (it has a handler).
  virtual base::Status connect(IrqLine line, IrqHandler& handler) = 0;
  // Returns when no call of the handler is running and none will begin.
  virtual void disconnect(IrqLine line) = 0;
  // What a device writes to raise the line, for a device that can. Errors: unsupported (this system takes no such
  // messages), not_found (no such line).
  virtual base::Result<IrqMessage> message(IrqLine) { return base::Errc::unsupported; }

protected:
  ~Irq() = default;
};

} // namespace sluice::platform

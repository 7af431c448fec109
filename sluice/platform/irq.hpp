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

class Irq {
public:
  // Errors: not_found (no such line), already_exists (it has a handler).
  virtual base::Status connect(IrqLine line, IrqHandler& handler) = 0;
  // Returns when no call of the handler is running and none will begin.
  virtual void disconnect(IrqLine line) = 0;

protected:
  ~Irq() = default;
};

} // namespace sluice::platform

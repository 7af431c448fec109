#pragma once

#include <sluice/platform/irq.hpp>

#include <ports/qemu/qtest.hpp>

#include <map>

namespace sluice::ports::qemu {

// The interrupt lines of the machine: shared peripheral interrupts, seen pending in the GIC's distributor. No processor
// takes them; the owner of the machine calls deliver() wherever it may be interrupted. One thread uses it.
class Gic final : public platform::Irq {
public:
  explicit Gic(Qtest& bus) : bus_{bus} {}

  // `line` counts SPIs from 0. The line is edge-triggered from here on, as the SMMU's pulses need.
  base::Status connect(platform::IrqLine line, platform::IrqHandler& handler) override;
  void disconnect(platform::IrqLine line) override;

  // Calls the handler of each line that is pending, and makes it not pending before. Says how many were.
  unsigned deliver();
  bool pending(platform::IrqLine line);

private:
  Qtest& bus_;
  std::map<platform::IrqLine, platform::IrqHandler*> handlers_;
};

} // namespace sluice::ports::qemu

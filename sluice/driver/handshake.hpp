#pragma once

#include <sluice/base/result.hpp>
#include <sluice/driver/health.hpp>
#include <sluice/driver/registers.hpp>
#include <sluice/platform/time.hpp>

namespace sluice::driver {

// Registers that the SMMU acknowledges. Errors of all: timed_out, and the log says which.
class Handshake {
public:
  Handshake(Registers& registers, platform::Time& time, Health& health, std::uint64_t timeout_us)
      : registers_{registers}, time_{time}, health_{health}, timeout_us_{timeout_us} {}

  // 6.3.9: what is written is in force when CR0ACK says the same.
  base::Status cr0(const arch::CR0& value);
  // 6.3.16
  base::Status irq_ctrl(const arch::IRQ_CTRL& value);
  // 6.3.14: the bypass attributes as they are, with this ABORT.
  base::Status gbpa_abort(bool abort);

private:
  Registers& registers_;
  platform::Time& time_;
  Health& health_;
  std::uint64_t timeout_us_;
};

} // namespace sluice::driver

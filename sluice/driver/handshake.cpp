#include <sluice/driver/handshake.hpp>

namespace sluice::driver {

using base::Errc;
using base::Status;
using namespace arch;

Status Handshake::cr0(const CR0& value) {
  registers_.write(value);
  if (!platform::wait_until(time_, timeout_us_, [&] { return registers_.read<CR0ACK>().raw() == value.raw(); })) {
    health_.timed_out(Code::cr0_timed_out, value.raw(), registers_.read<CR0ACK>().raw());
    return Errc::timed_out;
  }
  return {};
}

Status Handshake::irq_ctrl(const IRQ_CTRL& value) {
  registers_.write(value);
  if (!platform::wait_until(time_, timeout_us_, [&] { return registers_.read<IRQ_CTRLACK>().raw() == value.raw(); })) {
    health_.timed_out(Code::irq_ctrl_timed_out, value.raw(), registers_.read<IRQ_CTRLACK>().raw());
    return Errc::timed_out;
  }
  return {};
}

Status Handshake::gbpa_abort(bool abort) {
  const auto settled = [&] { return registers_.read<GBPA>().get(GBPA::Update) == 0; };
  if (platform::wait_until(time_, timeout_us_, settled)) {
    registers_.write(registers_.read<GBPA>().with(GBPA::ABORT, abort).with(GBPA::Update, 1));
    if (platform::wait_until(time_, timeout_us_, settled)) {
      return {};
    }
  }
  health_.timed_out(Code::gbpa_timed_out, registers_.read<GBPA>().raw());
  return Errc::timed_out;
}

} // namespace sluice::driver

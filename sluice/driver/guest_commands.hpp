#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/base/result.hpp>
#include <sluice/driver/capabilities.hpp>

#include <cstdint>

// Commands of guests, which go to a queue that all share: an illegal one would stop it for everybody. Pure.
namespace sluice::driver {

// Errors: reserved_bits (a command that is not a guest's to send, or one with a bit, a value or a combination that is
// reserved on this SMMU).
base::Status check_guest_command(const arch::Command& command, const Capabilities& capabilities);

// What a command that has passed invalidates. Between commands of different kinds there may have been a CMD_SYNC of the
// guest's, which is not passed on.
enum class GuestTarget : std::uint8_t {
  translations,  // by VMID: NH_ALL, NH_ASID, NH_VA, NH_VAA, NSNH_ALL
  configuration, // by StreamID: CFGI_CD, CFGI_CD_ALL
  device,        // by StreamID: ATC_INV
};
GuestTarget target_of(arch::Opcode opcode);

// The same for the translations that carry `vmid`.
arch::Command with_vmid(const arch::Command& command, std::uint16_t vmid);
inline arch::Command with_stream(const arch::Command& command, std::uint32_t sid) {
  return command.with(arch::Command::StreamID, sid);
}

} // namespace sluice::driver

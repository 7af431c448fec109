#pragma once

#include <sluice/base/errc.hpp>

namespace sluice::uapi {

// errno numbers of Linux on x86-64 and arm64.
enum class Errno : int {
  no_permission = 1,     // EPERM
  no_entry = 2,          // ENOENT
  interrupted = 4,       // EINTR
  io = 5,                // EIO
  too_big = 7,           // E2BIG
  bad_descriptor = 9,    // EBADF
  again = 11,            // EAGAIN
  no_memory = 12,        // ENOMEM
  fault = 14,            // EFAULT
  busy = 16,             // EBUSY
  exists = 17,           // EEXIST
  no_device = 19,        // ENODEV
  invalid = 22,          // EINVAL
  not_a_call = 25,       // ENOTTY
  no_space = 28,         // ENOSPC
  illegal_seek = 29,     // ESPIPE
  range = 34,            // ERANGE
  deadlock = 35,         // EDEADLK
  overflow = 75,         // EOVERFLOW
  wrong_descriptor = 77, // EBADFD
  message_size = 90,     // EMSGSIZE
  unsupported = 95,      // EOPNOTSUPP
  address_in_use = 98,   // EADDRINUSE
  timed_out = 110,       // ETIMEDOUT
};

// What a caller of Linux would have seen for each of our answers.
constexpr Errno to_errno(base::Errc e) {
  using base::Errc;
  switch (e) {
  case Errc::no_memory:
    return Errno::no_memory;
  case Errc::ids_exhausted:
  case Errc::no_space:
  case Errc::queue_full:
    return Errno::no_space;
  case Errc::busy:
  case Errc::in_use:
    return Errno::busy;
  case Errc::already_exists:
  case Errc::already_mapped:
    return Errno::exists;
  case Errc::not_found:
  case Errc::not_mapped:
  case Errc::would_split:
    return Errno::no_entry;
  case Errc::not_attached:
  case Errc::already_attached:
  case Errc::invalid_argument:
  case Errc::unaligned:
  case Errc::no_permission:
  case Errc::bad_size:
  case Errc::other_smmu:
    return Errno::invalid;
  case Errc::unresponsive:
    return Errno::deadlock;
  case Errc::too_large:
  case Errc::input_range:
  case Errc::output_range:
    return Errno::range;
  case Errc::overflow:
    return Errno::overflow;
  case Errc::bad_address:
    return Errno::fault;
  case Errc::trailing_data:
    return Errno::too_big;
  case Errc::reserved_range:
    return Errno::address_in_use;
  case Errc::answer_too_long:
    return Errno::message_size;
  case Errc::bad_descriptor:
    return Errno::bad_descriptor;
  case Errc::wrong_descriptor:
    return Errno::wrong_descriptor;
  case Errc::not_permitted:
    return Errno::no_permission;
  case Errc::no_device:
  case Errc::shares_stream:
  case Errc::device_failed:
  case Errc::smmu_failed:
    return Errno::no_device;
  case Errc::reserved_bits:
  case Errc::illegal_command:
  case Errc::command_abort:
  case Errc::aborted:
  case Errc::io_error:
  case Errc::protocol:
  case Errc::bad_hardware:
    return Errno::io;
  case Errc::unsupported:
  case Errc::missing_feature:
  case Errc::not_hitless:
    return Errno::unsupported;
  case Errc::atc_timed_out:
  case Errc::timed_out:
    return Errno::timed_out;
  case Errc::unknown_call:
    return Errno::not_a_call;
  }
  return Errno::io;
}

} // namespace sluice::uapi

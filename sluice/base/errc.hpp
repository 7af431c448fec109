#pragma once

#include <cstdint>

namespace sluice::base {

// Every distinct answer of the library. Hosted callers get the errno that `uapi` maps each value to.
enum class Errc : std::uint8_t {
  // Resources
  no_memory,     // an allocation failed; nothing has changed
  ids_exhausted, // no free ASID, VMID or other identifier is left
  queue_full,    // a bounded queue has no room and may not wait
  // State
  busy,             // the object is in a state, or in use in a way, that forbids the call
  in_use,           // the object still has users (an attached domain, a referenced parent)
  already_exists,   // the identifier is taken
  not_found,        // no such object or identifier
  unresponsive,     // a user was asked to let go, as often as is sensible, and has not
  not_attached,     // replace or detach where nothing is attached
  already_attached, // attach where something is attached: use replace
  // Arguments
  invalid_argument, // a value outside its documented set
  unaligned,        // an address or size that is not a multiple of the required unit
  too_large,        // an identifier or size beyond what the object was made for
  overflow,         // address + size wraps
  input_range,      // an IOVA or IPA beyond the input size of the table
  output_range,     // a physical address beyond the output size
  no_permission,    // a mapping that permits no access
  already_mapped,   // map over an existing mapping
  not_mapped,       // nothing is mapped there
  would_split,      // unmap of a part of a block
  bad_address,      // memory of a caller that cannot be read or written
  reserved_bits,    // a reserved or unsupported bit is set
  bad_size,         // a structure smaller or larger than the call permits
  trailing_data,    // bytes beyond what is known of a structure are not zero
  reserved_range,   // an IOVA range that is reserved, or reserved by a new user of the table
  no_space,         // no free range of addresses of the size asked for
  answer_too_long,  // the caller's buffer is too short; the size it needs is answered
  bad_descriptor,   // not an open descriptor
  wrong_descriptor, // a descriptor of another kind
  not_permitted,    // the caller, or what it shared, does not permit this
  no_device,        // nothing of that kind is set
  // Capabilities
  unsupported,     // the operation, or the combination asked for, does not exist here
  missing_feature, // this hardware lacks a feature that is required
  other_smmu,      // a domain of one SMMU was given to a device of another
  not_hitless,     // the caller asked for a hitless change and there is no hitless way
  shares_stream,   // a StreamID already belongs to another device
  // Hardware
  timed_out,       // a bounded wait ran out; the wait is named in the log
  illegal_command, // 7.1 CERROR_ILL
  command_abort,   // 7.1 CERROR_ABT
  atc_timed_out,   // 7.1 CERROR_ATC_INV_SYNC
  smmu_failed,     // the SMMU was marked failed by an earlier time-out
  device_failed,   // the device was quarantined by an earlier time-out
  bad_hardware,    // ID registers contradict the architecture
  // The other side of a seam
  aborted,      // an access ended with an abort
  io_error,     // a file, socket or peer failed
  protocol,     // a peer answered with something that its protocol does not permit
  unknown_call, // an ioctl number that is not part of the interface
};

} // namespace sluice::base

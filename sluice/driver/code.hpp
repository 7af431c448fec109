#pragma once

#include <cstdint>

namespace sluice::driver {

// Note::code of Source::driver; the comments name args[0] and on.
enum class Code : std::uint16_t {
  none,
  // Probe and reset
  probed,             // IDR0, IDR1, IDR3, IDR5
  was_enabled,        // CR0 as found
  cr0_timed_out,      // CR0 as written, CR0ACK
  irq_ctrl_timed_out, // IRQ_CTRL as written, IRQ_CTRLACK
  gbpa_timed_out,     // GBPA
  no_irq,             // line: the port has none such, or it is taken
  no_message,   // line, base::Errc of the port, or its address, which the SMMU cannot write: there is only its wire
  queue_shrunk, // 0: commands, 1: events, 2: page requests; log2 wanted, log2 made
  // Command queue
  sync_timed_out,      // position, CMDQ_PROD, CMDQ_CONS
  space_timed_out,     // position, CMDQ_PROD, CMDQ_CONS
  handover_timed_out,  // position: another submitter did not finish
  command_illegal,     // position, both words of the command
  command_aborted,     // position, how often
  atc_inv_timed_out,   // position of the CMD_SYNC
  command_error_other, // position, CERROR code
  failed,              // the Code that made the SMMU fail
  // Changes
  change_disruptive,  // StreamID, iommu::Gap
  change_unconfirmed, // StreamID
  device_failed,      // first StreamID
  tag_retired,        // 0: ASID, 1: VMID; the tag
  tables_held,        // bytes that are not reused
  // Events
  event,                // the four words of a record that nobody took
  event_unknown_stream, // the four words
  event_overflow,       // EVENTQ_PROD
  events_dropped,       // how many, because they came faster than they could be read
  guest_cut_off,        // StreamID of a device that records too much
  global_error,         // GERROR, GERRORN
  page_request_no_room, // StreamID, STAG or PRGIndex: answered, but nobody has served it
  page_request_late,    // how many groups their handlers have let wait for too long
  service_failure,      // GERROR: 6.3.19 SFM_ERR
  stalls_terminated,    // how many of which records were there; 1: the event queue was read to its end. 7.2.2
  // Page requests of PCIe functions
  page_requests_overflow,      // PRIQ_PROD
  page_request_unknown_stream, // both words of the record
  page_requests_no_credits,    // StreamID: others have all that there is room for
  page_requests_not_enabled,   // StreamID: PRI was in use when it was to be enabled, and stays off
  page_requests_not_stopped,   // StreamID: not all was over in time
  page_requests_restarted,     // StreamID: it was told of a failure that was the SMMU's and is over. 8.1
  page_requests_given_up,      // how often in a row none could be written: functions are not told to ask again
};

} // namespace sluice::driver

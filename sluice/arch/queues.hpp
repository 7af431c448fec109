#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/arch/pri.hpp>

// Queue sizes and the arithmetic of PROD and CONS. 3.5.1
namespace sluice::arch {

inline constexpr unsigned max_queue_log2 = 19; // IDR1.{CMDQS,EVENTQS,PRIQS}
inline constexpr std::size_t command_size = Command::byte_size;
inline constexpr std::size_t event_size = Event::byte_size;
inline constexpr std::size_t pri_record_size = PriRecord::byte_size;
inline constexpr std::uint64_t min_queue_align = 32;

inline constexpr std::uint32_t queue_pointer_mask = 0xf'ffff; // WR and RD
inline constexpr std::uint32_t queue_flag = 0x8000'0000;      // OVFLG and OVACKFLG of output queues

// 6.3.26 LOG2SIZE counts up to what the hardware has; the value written reads back.
constexpr unsigned effective_log2(std::uint64_t log2size, std::uint64_t idr1_size) {
  return static_cast<unsigned>(log2size < idr1_size ? log2size : idr1_size);
}
// Low bits of the base below this are taken as 0.
constexpr std::uint64_t queue_align(unsigned log2, std::size_t entry_size) {
  const std::uint64_t bytes = std::uint64_t{entry_size} << log2;
  return bytes < min_queue_align ? min_queue_align : bytes;
}

// Of a PROD or CONS value, in a queue of 2^log2 entries: the index below, the wrap bit above it.
constexpr std::uint32_t queue_index(std::uint32_t pointer, unsigned log2) {
  return pointer & ((std::uint32_t{1} << log2) - 1);
}
constexpr std::uint32_t queue_wrap(std::uint32_t pointer, unsigned log2) { return (pointer >> log2) & 1; }
constexpr std::uint32_t queue_pointer(std::uint32_t pointer, unsigned log2) {
  return pointer & ((std::uint32_t{2} << log2) - 1);
}
constexpr std::uint32_t queue_advance(std::uint32_t pointer, unsigned log2, std::uint32_t by = 1) {
  return queue_pointer(queue_pointer(pointer, log2) + by, log2);
}
constexpr bool queue_empty(std::uint32_t prod, std::uint32_t cons, unsigned log2) {
  return queue_pointer(prod, log2) == queue_pointer(cons, log2);
}
constexpr bool queue_full(std::uint32_t prod, std::uint32_t cons, unsigned log2) {
  return queue_index(prod, log2) == queue_index(cons, log2) && queue_wrap(prod, log2) != queue_wrap(cons, log2);
}
// Entries between CONS and PROD; more than 2^log2 when the two are inconsistent.
constexpr std::uint32_t queue_used(std::uint32_t prod, std::uint32_t cons, unsigned log2) {
  return queue_pointer(queue_pointer(prod, log2) - queue_pointer(cons, log2), log2);
}

} // namespace sluice::arch

#pragma once

#include <sluice/model/ats.hpp>

#include <cstdint>

namespace sluice::model {

// 13.1: what an access carries besides its address. The encodings are the manual's memory types, resolved (13.5).
struct Attributes {
  std::uint8_t mair{0xff};     // a MAIR attribute byte: Normal WB RWA, or a Device type
  std::uint8_t shareability{}; // arch::Shareability
  bool instruction{};
  bool privileged{};
};

// Who drives the bus: the SMMU itself for its tables and queues, or the StreamID of the client whose access passes
// through.
struct Initiator {
  static constexpr std::uint64_t smmu_itself = ~0ULL;
  std::uint64_t stream{smmu_itself};
};

struct BusAccess {
  std::uint64_t address{}; // PA
  std::uint32_t size{};    // bytes; an access never crosses a 4 KB boundary
  Attributes attributes{};
  Initiator initiator{};
};

enum class Wire : std::uint8_t { event_queue, pri_queue, command_sync, global_error };

// All that the hardware sees of its surroundings. Accesses come from several threads at once. Each answers false for an
// external abort.
class Bus {
public:
  virtual bool read(const BusAccess& access, void* into) = 0;
  virtual bool write(const BusAccess& access, const void* from) = 0;
  // Aligned 64-bit words are single-copy atomic (3.21.3): table and structure reads of 8 bytes, and this.
  virtual bool read64(std::uint64_t address, const Attributes& attributes, std::uint64_t& value) = 0;
  virtual bool compare_exchange64(std::uint64_t address, const Attributes& attributes, std::uint64_t& expected,
                                  std::uint64_t desired) = 0;
  // 3.18: a 32-bit write that signals an interrupt. All earlier writes of the SMMU are visible before it.
  virtual bool message(const BusAccess& access, std::uint32_t data) = 0;
  // 3.18: an edge on a wired interrupt.
  virtual void pulse(Wire wire) = 0;
  // 4.7.3 SEV: an event for processors that wait in WFE. A machine without such processors need not care.
  virtual void send_event() {}

  // 3.9, 4.5: towards endpoints, by their StreamID. None of these waits for anything or calls the SMMU.
  // After `completed`, no lookup in the endpoint's ATC that begins finds what was named. A pending one is asked after
  // by atc_completed(), with the same tag, from the next time on that somebody lets the SMMU work: software that polls,
  // or whoever completes it by Smmu::step(). Of one that took too long, or is over, the tag is used again.
  virtual AtcAnswer invalidate_atc(const AtcInvalidation&) { return AtcAnswer::unsupported; }
  virtual bool atc_completed(std::uint32_t /*stream_id*/, std::uint8_t /*tag*/) { return true; }
  virtual void page_response(const PageResponse&) {}

protected:
  ~Bus() = default;
};

} // namespace sluice::model

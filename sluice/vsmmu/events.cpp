#include <sluice/vsmmu/vsmmu.hpp>

#include <sluice/arch/queues.hpp>
#include <sluice/uapi/iommufd_queues.hpp>

#include <cstring>

// The guest's event queue, and the host's that feeds it.
namespace sluice::vsmmu {

using namespace arch;
using base::Errc;
using base::Status;
using uapi::iommufd::VeventHeader;

Vsmmu::Written Vsmmu::write_event(const Event& event) {
  if (registers_->get<CR0ACK>().get(CR0ACK::EVENTQEN) == 0 || active(GERROR::EVENTQ_ABT_ERR.mask)) {
    return Written::failed;
  }
  const auto base = registers_->get<EVENTQ_BASE>();
  const unsigned log2 = effective_log2(base.get(EVENTQ_BASE::LOG2SIZE), config_.features.idr1.get(IDR1::EVENTQS));
  const auto prod = registers_->get<EVENTQ_PROD>();
  const std::uint32_t cons = registers_->get<EVENTQ_CONS>().raw();
  if (queue_used(prod.raw(), cons, log2) >= 1U << log2) { // full, or 3.5.1 treated as full
    return Written::no_room;
  }
  const std::uint64_t address =
      queue_address(base.get(EVENTQ_BASE::ADDR), log2, event_size, queue_index(prod.raw(), log2));
  if (!memory_.write(address, event.w.data(), event_size)) { // 7.2.2
    report_error(GERROR::EVENTQ_ABT_ERR.mask);
    return Written::failed;
  }
  registers_->put(EVENTQ_PROD{prod}.set(EVENTQ_PROD::WR, queue_advance(prod.raw(), log2)));
  ++counters_.events;
  if (queue_empty(prod.raw(), cons, log2) &&
      registers_->get<IRQ_CTRLACK>().get(IRQ_CTRLACK::EVENTQ_IRQEN) != 0) { // 3.18.2
    signal_event_queue();
  }
  return Written::done;
}

// 7.2.1: what is not a stall's and cannot be written is discarded.
void Vsmmu::record(const Event& event) {
  const Written written = write_event(event);
  counters_.events_discarded += written != Written::done ? 1 : 0;
  if (written == Written::no_room) {
    overflow();
  }
}

// 7.4
void Vsmmu::overflow() {
  const std::uint32_t differ = registers_->get<EVENTQ_PROD>().raw() ^ registers_->get<EVENTQ_CONS>().raw();
  if ((differ & queue_flag) == 0) {
    registers_->toggle<EVENTQ_PROD>(queue_flag);
  }
}

// Events that the host could not keep are to the guest as events that its queue had no room for.
void Vsmmu::lost() {
  ++counters_.losses;
  if (registers_->get<CR0ACK>().get(CR0ACK::EVENTQEN) != 0) {
    overflow();
  }
}

Status Vsmmu::take_events(std::span<const std::byte> records) {
  while (!records.empty()) {
    VeventHeader header;
    if (records.size() < sizeof header) {
      return Errc::protocol;
    }
    std::memcpy(&header, records.data(), sizeof header);
    records = records.subspan(sizeof header);
    const bool gap = header.sequence != next_sequence_.value_or(header.sequence);
    next_sequence_ = (header.sequence + 1) & 0x7fff'ffff;
    if (gap || (header.flags & uapi::iommufd::vevent_lost) != 0) {
      lost();
    }
    if ((header.flags & uapi::iommufd::vevent_lost) != 0) {
      continue; // a header alone
    }
    Event event;
    if (records.size() < event_size) {
      return Errc::protocol;
    }
    std::memcpy(event.w.data(), records.data(), event_size);
    records = records.subspan(event_size);
    record(event);
  }
  return {};
}

} // namespace sluice::vsmmu

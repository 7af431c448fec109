#include <sluice/model/port_core.hpp>

namespace sluice::model {

using arch::Event;
using arch::EventType;

namespace {

void put_substream(Event& e, const Request& r) {
  if (r.substream_id) {
    e.set(Event::SSV, 1).set(Event::SubstreamID, *r.substream_id & Event::SubstreamID.take(~0ULL));
  }
}

} // namespace

// 7.3: the fields that a record of each type has; the rest is 0.
Event PortCore::event_of(const Request& r) const {
  const EventType type = *fault_.event;
  Event e;
  e.set(Event::Type, type).set(Event::StreamID, r.stream_id);

  switch (type) {
  case EventType::F_STREAM_DISABLED: // 7.3.7
    return e;
  case EventType::F_TRANSL_FORBIDDEN: // 7.3.8
    return e.set(Event::RnW, !r.write).set(Event::InputAddr, r.address);
  case EventType::C_BAD_SUBSTREAMID: // 7.3.9: no SSV
    return e.set(Event::SubstreamID, r.substream_id.value_or(0) & Event::SubstreamID.take(~0ULL));
  case EventType::F_STE_FETCH: // 7.3.4, 7.3.10
  case EventType::F_CD_FETCH:
    put_substream(e, r);
    return e.set(Event::FetchAddr, fault_.fetch & Event::FetchAddr.mask);
  case EventType::C_BAD_STREAMID:
  case EventType::C_BAD_STE:
  case EventType::C_BAD_CD:
    put_substream(e, r);
    return e;
  default:
    break;
  }

  // 7.3.12 - 7.3.16: what the transaction was, after STE overrides
  put_substream(e, r);
  const bool instruction =
      fault_regime_ != nullptr ? fault_regime_->rights.is_instruction(r) : r.instruction && !r.write;
  const bool privileged = fault_regime_ != nullptr ? fault_regime_->rights.privileged(r) : r.privileged;
  e.set(Event::RnW, !r.write).set(Event::InD, instruction).set(Event::PnU, privileged);
  e.set(Event::InputAddr, r.address).set(Event::S2, fault_.stage2).set(Event::CLASS, fault_.event_class);
  if (type == EventType::F_WALK_EABT) {
    return e.set(Event::FetchAddr, fault_.fetch & Event::FetchAddr.mask);
  }
  if (fault_.stage2) {
    e.set(Event::IPA, fault_.ipa & Event::IPA.mask);
  }
  if (type == EventType::F_PERMISSION && fault_.event_class == arch::EventClass::ttd) {
    e.set(Event::TTRnW, !fault_.ttd_write);
  }
  return e;
}

} // namespace sluice::model

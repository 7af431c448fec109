#include <sluice/driver/fault.hpp>

#include <sluice/arch/events.hpp>

namespace sluice::driver {

using namespace arch;
using iommu::Fault;
using iommu::FaultKind;

namespace {

FaultKind kind_of(EventType type) {
  switch (type) {
  case EventType::F_UUT:
    return FaultKind::unsupported;
  case EventType::C_BAD_STREAMID:
    return FaultKind::bad_stream;
  case EventType::F_STE_FETCH:
  case EventType::F_CD_FETCH:
  case EventType::F_VMS_FETCH:
    return FaultKind::config_abort;
  case EventType::C_BAD_STE:
  case EventType::C_BAD_CD:
    return FaultKind::config;
  case EventType::F_BAD_ATS_TREQ:
  case EventType::F_TRANSL_FORBIDDEN:
    return FaultKind::bad_request;
  case EventType::F_STREAM_DISABLED:
    return FaultKind::no_pasid;
  case EventType::C_BAD_SUBSTREAMID:
    return FaultKind::bad_pasid;
  case EventType::F_WALK_EABT:
    return FaultKind::walk_abort;
  case EventType::F_TRANSLATION:
    return FaultKind::translation;
  case EventType::F_ADDR_SIZE:
    return FaultKind::address_size;
  case EventType::F_ACCESS:
    return FaultKind::access_flag;
  case EventType::F_PERMISSION:
    return FaultKind::permission;
  case EventType::F_TLB_CONFLICT:
  case EventType::F_CFG_CONFLICT:
    return FaultKind::conflict;
  case EventType::E_PAGE_REQUEST:
    return FaultKind::page_hint;
  }
  return FaultKind::other;
}

// Two records have other fields where most have the access that faulted.
void decode_request(const Event& e, Fault& f) {
  f.has_address = true;
  f.iova = e.get(Event::InputPage);
  if (e.get(Event::Type) == EventType::F_BAD_ATS_TREQ) {
    f.write = e.get(Event::W) == 1;
    f.execute = e.get(Event::X) == 1;
    f.privileged = e.get(Event::P) == 1;
  } else {
    f.privileged = (e.get(Event::pR) | e.get(Event::pW) | e.get(Event::pX)) == 1;
    f.write = (e.get(Event::uW) | e.get(Event::pW)) == 1;
    f.execute = (e.get(Event::uX) | e.get(Event::pX)) == 1;
  }
}

void decode_access(const Event& e, const EventForm& form, Fault& f) {
  const auto has = [&](auto field) { return (form.defined[field.word] & field.mask) == field.mask; };
  if (has(Event::InputAddr)) {
    f.has_address = true;
    f.iova = e.get(Event::InputAddr);
  }
  f.write = has(Event::RnW) && e.get(Event::RnW) == 0;
  f.execute = has(Event::InD) && e.get(Event::InD) == 1;
  f.privileged = has(Event::PnU) && e.get(Event::PnU) == 1;
  f.second_stage = has(Event::S2) && e.get(Event::S2) == 1;
  if (has(Event::FetchAddr)) {
    f.has_output = true;
    f.output = e.get(Event::FetchAddr);
  } else if (has(Event::IPA) && f.second_stage) { // UNKNOWN at stage 1
    f.has_output = true;
    f.output = e.get(Event::IPA);
  }
  if (form.may_stall) {
    f.stalled = e.get(Event::Stall) == 1;
    f.stall_tag = static_cast<std::uint16_t>(e.get(Event::STAG));
  }
}

} // namespace

Fault to_fault(const Event& e) {
  Fault f;
  const EventType type = e.get(Event::Type);
  f.kind = kind_of(type);
  f.requester = static_cast<std::uint32_t>(e.get(Event::StreamID));
  f.record = std::as_bytes(std::span{e.w});
  const EventForm* form = event_form(type);
  if (form == nullptr) {
    return f;
  }
  const bool has_ssv = (form->defined[Event::SSV.word] & Event::SSV.mask) != 0;
  f.has_pasid = has_ssv ? e.get(Event::SSV) == 1 : type == EventType::C_BAD_SUBSTREAMID; // 7.3.9: valid without SSV
  f.pasid = f.has_pasid ? static_cast<std::uint32_t>(e.get(Event::SubstreamID)) : 0;
  if (type == EventType::F_BAD_ATS_TREQ || type == EventType::E_PAGE_REQUEST) {
    decode_request(e, f);
  } else {
    decode_access(e, *form, f);
  }
  return f;
}

} // namespace sluice::driver

#pragma once

#include <sluice/arch/event.hpp>

#include <array>

// Which fields a record of each type has. 7.3
namespace sluice::arch {

// The fields of a record of one type, in the order of their bits.
template <EventType>
inline constexpr auto event_layout = base::FieldList{};

namespace detail {
inline constexpr auto substream = base::FieldList{Event::Type, Event::SSV, Event::SubstreamID, Event::StreamID};
inline constexpr auto fetch = substream + base::FieldList{Event::Reason, Event::GPCF, Event::FetchAddr};
inline constexpr auto translation =
    substream + base::FieldList{Event::STAG, Event::Stall, Event::PnU,    Event::InD,       Event::RnW, Event::NSIPA,
                                Event::S2,   Event::CLASS, Event::IMPDEF, Event::InputAddr, Event::IPA};
} // namespace detail

template <>
inline constexpr auto event_layout<EventType::F_UUT> = // 7.3.2
    detail::substream + base::FieldList{Event::Reason, Event::PnU, Event::InD, Event::RnW, Event::InputAddr};
template <>
inline constexpr auto event_layout<EventType::C_BAD_STREAMID> = detail::substream; // 7.3.3
template <>
inline constexpr auto event_layout<EventType::F_STE_FETCH> = detail::fetch; // 7.3.4
template <>
inline constexpr auto event_layout<EventType::C_BAD_STE> = detail::substream; // 7.3.5
template <>
inline constexpr auto event_layout<EventType::F_BAD_ATS_TREQ> = // 7.3.6
    detail::substream + base::FieldList{Event::Span, Event::P, Event::X, Event::W, Event::R, Event::InputPage};
template <>
inline constexpr auto event_layout<EventType::F_STREAM_DISABLED> =
    base::FieldList{Event::Type, Event::StreamID}; // 7.3.7
template <>
inline constexpr auto event_layout<EventType::F_TRANSL_FORBIDDEN> = // 7.3.8
    base::FieldList{Event::Type, Event::StreamID, Event::RnW, Event::InputAddr};
template <>
inline constexpr auto event_layout<EventType::C_BAD_SUBSTREAMID> = // 7.3.9, without SSV
    base::FieldList{Event::Type, Event::SubstreamID, Event::StreamID};
template <>
inline constexpr auto event_layout<EventType::F_CD_FETCH> = detail::fetch; // 7.3.10
template <>
inline constexpr auto event_layout<EventType::C_BAD_CD> = detail::substream; // 7.3.11
template <>
inline constexpr auto event_layout<EventType::F_WALK_EABT> = // 7.3.12
    detail::substream + base::FieldList{Event::Reason, Event::GPCF, Event::PnU,   Event::InD,       Event::RnW,
                                        Event::NSIPA,  Event::S2,   Event::CLASS, Event::InputAddr, Event::FetchAddr};
template <>
inline constexpr auto event_layout<EventType::F_TRANSLATION> = detail::translation; // 7.3.13
template <>
inline constexpr auto event_layout<EventType::F_ADDR_SIZE> = detail::translation; // 7.3.14
template <>
inline constexpr auto event_layout<EventType::F_ACCESS> = detail::translation; // 7.3.15
template <>
inline constexpr auto event_layout<EventType::F_PERMISSION> = // 7.3.16
    detail::substream + base::FieldList{Event::STAG,  Event::Stall,  Event::PnU,       Event::InD,
                                        Event::RnW,   Event::NSIPA,  Event::S2,        Event::CLASS,
                                        Event::TTRnW, Event::IMPDEF, Event::InputAddr, Event::IPA};
template <>
inline constexpr auto event_layout<EventType::F_TLB_CONFLICT> = // 7.3.17
    detail::substream + base::FieldList{Event::Reason32, Event::PnU, Event::InD,       Event::RnW,
                                        Event::NSIPA,    Event::S2,  Event::InputAddr, Event::IPA};
template <>
inline constexpr auto event_layout<EventType::F_CFG_CONFLICT> = // 7.3.18
    detail::substream + base::FieldList{Event::Reason32};
template <>
inline constexpr auto event_layout<EventType::E_PAGE_REQUEST> = // 7.3.19
    detail::substream + base::FieldList{Event::uX, Event::uW, Event::uR,       Event::pX,
                                        Event::pW, Event::pR, Event::PageSpan, Event::InputPage};
template <>
inline constexpr auto event_layout<EventType::F_VMS_FETCH> = detail::fetch; // 7.3.20

struct EventForm {
  EventType type;
  bool may_stall; // 5.5: obeys CD.{A,R,S} or STE.{S2R,S2S}
  std::array<std::uint64_t, 4> defined;
};

namespace detail {
template <EventType T>
constexpr EventForm event_form() {
  EventForm form{T, T >= EventType::F_TRANSLATION && T <= EventType::F_PERMISSION, {}};
  for (const base::FieldBits& field : event_layout<T>.bits) {
    form.defined[field.word()] |= field.mask();
  }
  return form;
}
template <EventType... T>
constexpr std::array<EventForm, sizeof...(T)> event_forms_of() {
  return {event_form<T>()...};
}
} // namespace detail

inline constexpr auto event_forms =
    detail::event_forms_of<EventType::F_UUT, EventType::C_BAD_STREAMID, EventType::F_STE_FETCH, EventType::C_BAD_STE,
                           EventType::F_BAD_ATS_TREQ, EventType::F_STREAM_DISABLED, EventType::F_TRANSL_FORBIDDEN,
                           EventType::C_BAD_SUBSTREAMID, EventType::F_CD_FETCH, EventType::C_BAD_CD,
                           EventType::F_WALK_EABT, EventType::F_TRANSLATION, EventType::F_ADDR_SIZE,
                           EventType::F_ACCESS, EventType::F_PERMISSION, EventType::F_TLB_CONFLICT,
                           EventType::F_CFG_CONFLICT, EventType::E_PAGE_REQUEST, EventType::F_VMS_FETCH>();

// The form of a type, or null for a number that the architecture does not define.
constexpr const EventForm* event_form(EventType type) {
  for (const auto& form : event_forms) {
    if (form.type == type) {
      return &form;
    }
  }
  return nullptr;
}

} // namespace sluice::arch

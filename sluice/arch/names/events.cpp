#include <sluice/arch/events.hpp>
#include <sluice/arch/names/table.hpp>

namespace sluice::arch::names {

namespace {
using E = Event;
using detail::named;

template <EventType Which, class... N>
consteval auto names(N... fields) {
  return detail::table<decltype(event_layout<Which>)>(fields...);
}

constexpr auto unknown =
    detail::table<base::FieldList<std::remove_cv_t<decltype(Event::Type)>>>(named(E::Type, "Type"));
constexpr auto f_uut =
    names<EventType::F_UUT>(named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"),
                            named(E::StreamID, "StreamID"), named(E::Reason, "Reason"), named(E::PnU, "PnU"),
                            named(E::InD, "InD"), named(E::RnW, "RnW"), named(E::InputAddr, "InputAddr"));
constexpr auto c_bad_streamid = names<EventType::C_BAD_STREAMID>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"));
constexpr auto f_ste_fetch = names<EventType::F_STE_FETCH>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::Reason, "Reason"), named(E::GPCF, "GPCF"), named(E::FetchAddr, "FetchAddr"));
constexpr auto c_bad_ste = names<EventType::C_BAD_STE>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"));
constexpr auto f_bad_ats_treq = names<EventType::F_BAD_ATS_TREQ>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::Span, "Span"), named(E::P, "P"), named(E::X, "X"), named(E::W, "W"), named(E::R, "R"),
    named(E::InputPage, "InputAddr"));
constexpr auto f_stream_disabled =
    names<EventType::F_STREAM_DISABLED>(named(E::Type, "Type"), named(E::StreamID, "StreamID"));
constexpr auto f_transl_forbidden = names<EventType::F_TRANSL_FORBIDDEN>(
    named(E::Type, "Type"), named(E::StreamID, "StreamID"), named(E::RnW, "RnW"), named(E::InputAddr, "InputAddr"));
constexpr auto c_bad_substreamid = names<EventType::C_BAD_SUBSTREAMID>(
    named(E::Type, "Type"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"));
constexpr auto f_cd_fetch = names<EventType::F_CD_FETCH>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::Reason, "Reason"), named(E::GPCF, "GPCF"), named(E::FetchAddr, "FetchAddr"));
constexpr auto c_bad_cd = names<EventType::C_BAD_CD>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"));
constexpr auto f_walk_eabt = names<EventType::F_WALK_EABT>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::Reason, "Reason"), named(E::GPCF, "GPCF"), named(E::PnU, "PnU"), named(E::InD, "InD"),
    named(E::RnW, "RnW"), named(E::NSIPA, "NSIPA"), named(E::S2, "S2"), named(E::CLASS, "CLASS"),
    named(E::InputAddr, "InputAddr"), named(E::FetchAddr, "FetchAddr"));
constexpr auto f_translation = names<EventType::F_TRANSLATION>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::STAG, "STAG"), named(E::Stall, "Stall"), named(E::PnU, "PnU"), named(E::InD, "InD"), named(E::RnW, "RnW"),
    named(E::NSIPA, "NSIPA"), named(E::S2, "S2"), named(E::CLASS, "CLASS"), named(E::IMPDEF, "IMPDEF"),
    named(E::InputAddr, "InputAddr"), named(E::IPA, "IPA"));
constexpr auto f_addr_size = names<EventType::F_ADDR_SIZE>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::STAG, "STAG"), named(E::Stall, "Stall"), named(E::PnU, "PnU"), named(E::InD, "InD"), named(E::RnW, "RnW"),
    named(E::NSIPA, "NSIPA"), named(E::S2, "S2"), named(E::CLASS, "CLASS"), named(E::IMPDEF, "IMPDEF"),
    named(E::InputAddr, "InputAddr"), named(E::IPA, "IPA"));
constexpr auto f_access = names<EventType::F_ACCESS>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::STAG, "STAG"), named(E::Stall, "Stall"), named(E::PnU, "PnU"), named(E::InD, "InD"), named(E::RnW, "RnW"),
    named(E::NSIPA, "NSIPA"), named(E::S2, "S2"), named(E::CLASS, "CLASS"), named(E::IMPDEF, "IMPDEF"),
    named(E::InputAddr, "InputAddr"), named(E::IPA, "IPA"));
constexpr auto f_permission = names<EventType::F_PERMISSION>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::STAG, "STAG"), named(E::Stall, "Stall"), named(E::PnU, "PnU"), named(E::InD, "InD"), named(E::RnW, "RnW"),
    named(E::NSIPA, "NSIPA"), named(E::S2, "S2"), named(E::CLASS, "CLASS"), named(E::TTRnW, "TTRnW"),
    named(E::IMPDEF, "IMPDEF"), named(E::InputAddr, "InputAddr"), named(E::IPA, "IPA"));
constexpr auto f_tlb_conflict = names<EventType::F_TLB_CONFLICT>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::Reason32, "Reason"), named(E::PnU, "PnU"), named(E::InD, "InD"), named(E::RnW, "RnW"),
    named(E::NSIPA, "NSIPA"), named(E::S2, "S2"), named(E::InputAddr, "InputAddr"), named(E::IPA, "IPA"));
constexpr auto f_cfg_conflict =
    names<EventType::F_CFG_CONFLICT>(named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"),
                                     named(E::StreamID, "StreamID"), named(E::Reason32, "Reason"));
constexpr auto e_page_request = names<EventType::E_PAGE_REQUEST>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::uX, "uX"), named(E::uW, "uW"), named(E::uR, "uR"), named(E::pX, "pX"), named(E::pW, "pW"),
    named(E::pR, "pR"), named(E::PageSpan, "Span"), named(E::InputPage, "InputAddr"));
constexpr auto f_vms_fetch = names<EventType::F_VMS_FETCH>(
    named(E::Type, "Type"), named(E::SSV, "SSV"), named(E::SubstreamID, "SubstreamID"), named(E::StreamID, "StreamID"),
    named(E::Reason, "Reason"), named(E::GPCF, "GPCF"), named(E::FetchAddr, "FetchAddr"));
} // namespace

std::string_view name_of(EventType v) {
  switch (v) {
  case EventType::F_UUT:
    return "F_UUT";
  case EventType::C_BAD_STREAMID:
    return "C_BAD_STREAMID";
  case EventType::F_STE_FETCH:
    return "F_STE_FETCH";
  case EventType::C_BAD_STE:
    return "C_BAD_STE";
  case EventType::F_BAD_ATS_TREQ:
    return "F_BAD_ATS_TREQ";
  case EventType::F_STREAM_DISABLED:
    return "F_STREAM_DISABLED";
  case EventType::F_TRANSL_FORBIDDEN:
    return "F_TRANSL_FORBIDDEN";
  case EventType::C_BAD_SUBSTREAMID:
    return "C_BAD_SUBSTREAMID";
  case EventType::F_CD_FETCH:
    return "F_CD_FETCH";
  case EventType::C_BAD_CD:
    return "C_BAD_CD";
  case EventType::F_WALK_EABT:
    return "F_WALK_EABT";
  case EventType::F_TRANSLATION:
    return "F_TRANSLATION";
  case EventType::F_ADDR_SIZE:
    return "F_ADDR_SIZE";
  case EventType::F_ACCESS:
    return "F_ACCESS";
  case EventType::F_PERMISSION:
    return "F_PERMISSION";
  case EventType::F_TLB_CONFLICT:
    return "F_TLB_CONFLICT";
  case EventType::F_CFG_CONFLICT:
    return "F_CFG_CONFLICT";
  case EventType::E_PAGE_REQUEST:
    return "E_PAGE_REQUEST";
  case EventType::F_VMS_FETCH:
    return "F_VMS_FETCH";
  }
  return {};
}

std::span<const NamedField> fields_of(const Event& s) {
  switch (s.get(Event::Type)) {
  case EventType::F_UUT:
    return f_uut;
  case EventType::C_BAD_STREAMID:
    return c_bad_streamid;
  case EventType::F_STE_FETCH:
    return f_ste_fetch;
  case EventType::C_BAD_STE:
    return c_bad_ste;
  case EventType::F_BAD_ATS_TREQ:
    return f_bad_ats_treq;
  case EventType::F_STREAM_DISABLED:
    return f_stream_disabled;
  case EventType::F_TRANSL_FORBIDDEN:
    return f_transl_forbidden;
  case EventType::C_BAD_SUBSTREAMID:
    return c_bad_substreamid;
  case EventType::F_CD_FETCH:
    return f_cd_fetch;
  case EventType::C_BAD_CD:
    return c_bad_cd;
  case EventType::F_WALK_EABT:
    return f_walk_eabt;
  case EventType::F_TRANSLATION:
    return f_translation;
  case EventType::F_ADDR_SIZE:
    return f_addr_size;
  case EventType::F_ACCESS:
    return f_access;
  case EventType::F_PERMISSION:
    return f_permission;
  case EventType::F_TLB_CONFLICT:
    return f_tlb_conflict;
  case EventType::F_CFG_CONFLICT:
    return f_cfg_conflict;
  case EventType::E_PAGE_REQUEST:
    return e_page_request;
  case EventType::F_VMS_FETCH:
    return f_vms_fetch;
  }
  return unknown;
}

} // namespace sluice::arch::names

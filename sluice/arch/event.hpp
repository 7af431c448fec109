#pragma once

#include <sluice/base/field.hpp>

namespace sluice::arch {

// 7.3 Event numbers. 0xE0 to 0xEF are IMPLEMENTATION DEFINED.
enum class EventType : std::uint8_t {
  F_UUT = 0x01,
  C_BAD_STREAMID = 0x02,
  F_STE_FETCH = 0x03,
  C_BAD_STE = 0x04,
  F_BAD_ATS_TREQ = 0x05,
  F_STREAM_DISABLED = 0x06,
  F_TRANSL_FORBIDDEN = 0x07,
  C_BAD_SUBSTREAMID = 0x08,
  F_CD_FETCH = 0x09,
  C_BAD_CD = 0x0a,
  F_WALK_EABT = 0x0b,
  F_TRANSLATION = 0x10,
  F_ADDR_SIZE = 0x11,
  F_ACCESS = 0x12,
  F_PERMISSION = 0x13,
  F_TLB_CONFLICT = 0x20,
  F_CFG_CONFLICT = 0x21,
  E_PAGE_REQUEST = 0x24,
  F_VMS_FETCH = 0x25,
};

// 7.3 CLASS: what the access was for that faulted.
enum class EventClass : std::uint8_t {
  cd = 0,  // a CD or L1CD
  ttd = 1, // a translation table descriptor
  in = 2,  // the input address itself
  reserved = 3,
};

// 7.3 An event queue record. Which fields there are depends on the type: event_forms.hpp.
struct Event : base::Words<Event, 4> {
  static constexpr base::Field<Event, 7, 0, EventType> Type{};
  static constexpr base::Field<Event, 11> SSV{};
  static constexpr base::Field<Event, 31, 12> SubstreamID{};
  static constexpr base::Field<Event, 63, 32> StreamID{};

  static constexpr base::Field<Event, 79, 64> Reason{};
  static constexpr base::Field<Event, 95, 64> Reason32{}; // Reason of F_TLB_CONFLICT, F_CFG_CONFLICT
  static constexpr base::Field<Event, 80> GPCF{};
  static constexpr base::Field<Event, 79, 64> STAG{};
  static constexpr base::Field<Event, 95> Stall{};

  // F_BAD_ATS_TREQ: what the request asked for. 7.3.6
  static constexpr base::Field<Event, 67, 64> Span{};
  static constexpr base::Field<Event, 92> P{};
  static constexpr base::Field<Event, 93> X{};
  static constexpr base::Field<Event, 94> W{};
  static constexpr base::Field<Event, 95> R{};

  static constexpr base::Field<Event, 97> PnU{};
  static constexpr base::Field<Event, 98> InD{};
  static constexpr base::Field<Event, 99> RnW{};
  static constexpr base::Field<Event, 102> NSIPA{};
  static constexpr base::Field<Event, 103> S2{};
  static constexpr base::Field<Event, 105, 104, EventClass> CLASS{};
  static constexpr base::Field<Event, 108> TTRnW{};
  static constexpr base::Field<Event, 127, 112> IMPDEF{};

  // E_PAGE_REQUEST 7.3.19
  static constexpr base::Field<Event, 97> uX{};
  static constexpr base::Field<Event, 98> uW{};
  static constexpr base::Field<Event, 99> uR{};
  static constexpr base::Field<Event, 101> pX{};
  static constexpr base::Field<Event, 102> pW{};
  static constexpr base::Field<Event, 103> pR{};
  static constexpr base::Field<Event, 115, 108> PageSpan{}; // Span of E_PAGE_REQUEST, in 4 KB

  static constexpr base::Field<Event, 191, 128> InputAddr{};
  static constexpr base::Address<Event, 191, 140> InputPage{}; // InputAddr[63:12] of F_BAD_ATS_TREQ, E_PAGE_REQUEST
  static constexpr base::Address<Event, 247, 195> FetchAddr{};
  static constexpr base::Address<Event, 247, 204> IPA{};
};
static_assert(sizeof(Event) == 32);

} // namespace sluice::arch

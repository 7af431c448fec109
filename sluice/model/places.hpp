#pragma once

#include <sluice/arch/event.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

// The places in the model at which it raises something, with the rule that each stands for. Code names them by id,
// which the compiler looks up: at("stage1.range").
namespace sluice::model {

enum class PlaceGroup : std::uint8_t { event, response, ats, pri, queue };

struct PlaceInfo {
  std::string_view id{};
  PlaceGroup group{};
  std::optional<arch::EventType> event{};
  std::string_view section{};
  std::string_view sentence{};
};

namespace detail {
constexpr PlaceInfo with_event(std::string_view id, arch::EventType type, std::string_view section,
                               std::string_view sentence) {
  return {id, PlaceGroup::event, type, section, sentence};
}
constexpr PlaceInfo other(PlaceGroup group, std::string_view id, std::string_view section, std::string_view sentence) {
  return {id, group, std::nullopt, section, sentence};
}

consteval auto places() {
  using enum arch::EventType;
  using enum PlaceGroup;
  return std::to_array<PlaceInfo>({
      with_event("stream.table", C_BAD_STREAMID, "6.3.25", "the StreamID is beyond the table"),
      with_event("stream.span_0", C_BAD_STREAMID, "5.1.1", "Span of its L1STD is 0"),
      with_event("stream.span_reserved", C_BAD_STREAMID, "5.1.1", "Span is reserved"),
      with_event("stream.span_split", C_BAD_STREAMID, "5.1.1", "Span is wider than SPLIT"),
      with_event("stream.span", C_BAD_STREAMID, "5.1.1", "the StreamID is beyond the Span"),
      with_event("stream.l1std_fetch", F_STE_FETCH, "7.3.4", "the fetch of the L1STD aborts"),
      with_event("stream.ste_fetch", F_STE_FETCH, "7.3.4", "the fetch of the STE aborts"),
      with_event("stream.ste", C_BAD_STE, "5.2.2", "the STE is illegal, for a reason above"),
      with_event("substream.unsupported", C_BAD_SUBSTREAMID, "7.3.9", "there is one, and SSIDSIZE is 0"),
      with_event("substream.no_stage1", C_BAD_SUBSTREAMID, "7.3.9", "there is one, and the stream skips stage 1"),
      with_event("substream.none", C_BAD_SUBSTREAMID, "7.3.9", "there is one, and S1CDMax is 0"),
      with_event("substream.s1cdmax", C_BAD_SUBSTREAMID, "7.3.9", "it is beyond S1CDMax"),
      with_event("substream.l1cd", C_BAD_SUBSTREAMID, "5.3", "V of its L1CD is 0"),
      with_event("substream.l2ptr", C_BAD_SUBSTREAMID, "3.4.3", "L2Ptr of its L1CD is beyond OAS"),
      with_event("substream.terminate", F_STREAM_DISABLED, "5.2", "there is none, and S1DSS terminates"),
      with_event("substream.zero", F_STREAM_DISABLED, "5.2", "it is 0, and S1DSS is 0b10"),
      with_event("substream.l1cd_fetch", F_CD_FETCH, "7.3.10", "the fetch of the L1CD aborts"),
      with_event("substream.cd_fetch", F_CD_FETCH, "7.3.10", "the fetch of the CD aborts"),
      with_event("substream.cd", C_BAD_CD, "5.4.2", "the CD is illegal, for a reason above"),
      with_event("request.disabled", F_BAD_ATS_TREQ, "3.9.1.2", "a translation request while SMMUEN is 0"),
      with_event("request.bypass", F_BAD_ATS_TREQ, "3.9.1.2", "a translation request of a stream that bypasses"),
      with_event("request.eats", F_BAD_ATS_TREQ, "3.9.1.2", "a translation request with EATS 0b00 or reserved"),
      with_event("request.atschk", F_BAD_ATS_TREQ, "3.9.1.2", "a translation request with EATS 0b10 and ATSCHK 0"),
      with_event("translated.disabled", F_TRANSL_FORBIDDEN, "3.9.1.3", "a translated access while SMMUEN is 0"),
      with_event("translated.bypass", F_TRANSL_FORBIDDEN, "3.9.1.3", "a translated access of a stream that bypasses"),
      with_event("translated.eats", F_TRANSL_FORBIDDEN, "3.9.1.3",
                 "a translated access with EATS 0b00 or what comes to it"),
      with_event("stage1.range", F_TRANSLATION, "3.4.1", "stage 1: the address is in no half's range"),
      with_event("stage1.epd", F_TRANSLATION, "5.4", "stage 1: EPD disables its half"),
      with_event("stage1.e0pd", F_TRANSLATION, "5.4", "stage 1: E0PD hides its half from an unprivileged access"),
      with_event("stage1.descriptor", F_TRANSLATION, "7.3.13", "stage 1: an invalid descriptor"),
      with_event("stage1.block", F_TRANSLATION, "7.3.13", "stage 1: a block where none may be"),
      with_event("stage1.table_size", F_ADDR_SIZE, "7.3.14", "stage 1: a table beyond IPS"),
      with_event("stage1.leaf_size", F_ADDR_SIZE, "7.3.14", "stage 1: a leaf beyond IPS"),
      with_event("stage1.bypass_size", F_ADDR_SIZE, "3.4", "stage 1 is bypassed, and the address is beyond IAS"),
      with_event("stage1.access", F_ACCESS, "7.3.15", "stage 1: AF is 0, without AFFD and HA"),
      with_event("stage1.permission", F_PERMISSION, "7.3.16", "stage 1 does not permit the access"),
      with_event("stage1.read", F_WALK_EABT, "7.3.12", "stage 1: the fetch of a descriptor aborts"),
      with_event("stage1.update", F_WALK_EABT, "3.13.1", "stage 1: the update of a descriptor aborts"),
      with_event("stage1.races", F_WALK_EABT, "3.13.1",
                 "stage 1: a descriptor is another one at each attempt to update it"),
      with_event("stage2.range", F_TRANSLATION, "3.4", "stage 2: the IPA is beyond the range"),
      with_event("stage2.descriptor", F_TRANSLATION, "7.3.13", "stage 2: an invalid descriptor"),
      with_event("stage2.block", F_TRANSLATION, "7.3.13", "stage 2: a block where none may be"),
      with_event("stage2.table_size", F_ADDR_SIZE, "7.3.14", "stage 2: a table beyond S2PS"),
      with_event("stage2.leaf_size", F_ADDR_SIZE, "7.3.14", "stage 2: a leaf beyond S2PS"),
      with_event("stage2.access", F_ACCESS, "7.3.15", "stage 2: AF is 0, without S2AFFD and S2HA"),
      with_event("stage2.permission", F_PERMISSION, "7.3.16", "stage 2 does not permit the access"),
      with_event("stage2.fetch", F_PERMISSION, "7.3.16", "stage 2 does not permit the fetch of a CD or descriptor"),
      with_event("stage2.ptw", F_PERMISSION, "5.2", "S2PTW, and a CD or descriptor lies in Device memory"),
      with_event("stage2.write", F_PERMISSION, "3.13.7", "stage 2 does not permit the update of a stage 1 descriptor"),
      with_event("stage2.read", F_WALK_EABT, "7.3.12", "stage 2: the fetch of a descriptor aborts"),
      with_event("stage2.update", F_WALK_EABT, "3.13.1", "stage 2: the update of a descriptor aborts"),
      with_event("stage2.races", F_WALK_EABT, "3.13.1",
                 "stage 2: a descriptor is another one at each attempt to update it"),

      other(response, "access.aborted", "5.5", "a fault's access aborts"),
      other(response, "access.zeroed", "5.5", "a fault's access is RAZ/WI"),
      other(response, "access.stalled", "3.12.2", "a fault's access waits for software"),
      other(response, "access.silent", "5.5", "a fault has no record"),
      other(response, "class.CD", "7.3.12", "a stage 2 fault of the fetch of a CD"),
      other(response, "class.TT", "7.3.12", "a stage 2 fault of a stage 1 descriptor"),
      other(response, "class.IN", "7.3.12", "a stage 2 fault of the address itself"),
      other(response, "config.abort", "5.2", "Config 0xx aborts without an event"),
      other(response, "gbpa.abort", "6.3.14", "SMMUEN is 0, and GBPA.ABORT"),
      other(response, "gbpa.size", "3.4", "SMMUEN is 0, and the address is beyond OAS"),
      other(response, "bus.abort", "3.18", "the translation is good, and the bus aborts the access"),
      other(response, "stall.retry", "4.7.1", "a stalled access is tried again"),
      other(response, "stall.abort", "4.7.1", "a stalled access aborts"),
      other(response, "stall.zero", "4.7.1", "a stalled access is RAZ/WI"),

      other(ats, "request.success", "13.7", "success, with the rights that there are"),
      other(ats, "request.denied", "3.9.1.2", "success without rights: a fault of a stage"),
      other(ats, "request.identity", "13.6.4", "success with the identity: stage 1 is skipped, and there is no other"),
      other(ats, "request.ipa", "13.6.3", "success with an IPA: split-stage"),
      other(ats, "request.unsupported", "3.9.1.2", "Unsupported Request, with an event"),
      other(ats, "request.silent", "3.9.1.2", "Unsupported Request without an event: Config 0xx"),
      other(ats, "request.no_ats", "3.9.1.2", "Unsupported Request without an event: IDR0.ATS is 0"),
      other(ats, "request.error", "3.9.1.2", "Completer Abort: a configuration error"),
      other(ats, "translated.size", "3.9.1.1", "a translated address beyond OAS aborts without an event"),
      other(ats, "translated.no_ats", "3.9.1.3", "a translated access aborts without an event: IDR0.ATS is 0"),
      other(ats, "atc.unsupported", "3.9.1.5", "an endpoint that does not know of invalidations has completed one"),
      other(ats, "atc.late", "3.9.1.4", "an invalidation completes later"),
      other(ats, "atc.timeout", "3.9.1.4", "an invalidation does not complete"),

      other(pri, "page.queued", "8", "a page request is a record"),
      other(pri, "page.lost", "8.1", "a page request is lost in an overflow"),
      other(pri, "page.refused", "8.2", "a page request is refused: the queue is off"),
      other(pri, "page.aborted", "8.2", "a page request is refused: the write of its record aborts"),
      other(pri, "page.success", "8.1", "the response is Success by itself: the last of its group was lost"),
      other(pri, "page.silent", "8.1", "there is no response: another of its group was lost"),
      other(pri, "page.failure", "8.2", "the response is Failure by itself: it was refused"),
      other(pri, "page.ste", "8.1", "the response is Failure by itself: it was lost, and there is no legal STE"),
      other(pri, "response.success", "4.5.2", "CMD_PRI_RESP: Success"),
      other(pri, "response.failure", "4.5.2", "CMD_PRI_RESP: Response Failure"),
      other(pri, "response.invalid", "4.5.2", "CMD_PRI_RESP: Invalid Request"),

      other(queue, "cmdq.ABT", "7.1", "CERROR_ABT: the fetch of a command aborts"),
      other(queue, "cmdq.ATC_INV_SYNC", "7.1", "CERROR_ATC_INV_SYNC: an invalidation has timed out before a CMD_SYNC"),
      other(queue, "eventq.overflow", "7.4", "an event is lost: the queue is full"),
      other(queue, "eventq.off", "7.2.1", "an event is lost: the queue is off or in error"),
      other(queue, "eventq.merged", "7.3.1", "an event is merged with the latest"),
      other(queue, "eventq.stall", "3.5.4", "a stalled access has no record yet: there is no room, or no STAG"),
      other(queue, "priq.overflow", "8.1", "the PRI queue is full"),
      other(queue, "gerror.CMDQ_ERR", "7.5", "a command error"),
      other(queue, "gerror.EVENTQ_ABT_ERR", "7.2.2", "the write of an event aborts"),
      other(queue, "gerror.PRIQ_ABT_ERR", "8.2", "the write of a page request aborts"),
      other(queue, "gerror.MSI_CMDQ_ABT_ERR", "6.3.19", "the message of a CMD_SYNC aborts"),
      other(queue, "gerror.MSI_EVENTQ_ABT_ERR", "6.3.19", "the event queue's message aborts"),
      other(queue, "gerror.MSI_PRIQ_ABT_ERR", "6.3.19", "the PRI queue's message aborts"),
      other(queue, "gerror.MSI_GERROR_ABT_ERR", "6.3.19", "the message of GERROR itself aborts"),
  });
}
} // namespace detail

inline constexpr auto places = detail::places();

struct Place {
  std::uint8_t number{places.size()}; // in the table; none
  std::optional<arch::EventType> event{};
};

// An id that is not in the table does not compile.
consteval Place at(std::string_view id) {
  std::uint8_t number = 0;
  while (places[number].id != id) {
    ++number;
  }
  return {number, places[number].event};
}

} // namespace sluice::model

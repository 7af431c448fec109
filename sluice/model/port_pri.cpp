#include <sluice/model/port_core.hpp>

// 8: Page Requests of endpoints.
namespace sluice::model {

// 8
PageRequestFate PortCore::request_page(PageRequest r, Core::Recorded& edges) {
  if (facts_.features.substreamid_bits == 0) {
    r.substream_id.reset();
  }
  const PageRequestFate fate = core_.queue(r, edges);
  if (fate != PageRequestFate::queued && !r.stop_marker()) {
    edges.response = automatic_response(r, fate, edges);
  }
  return fate;
}

// 8.1, 8.2
std::optional<PageResponse> PortCore::automatic_response(const PageRequest& r, PageRequestFate fate,
                                                         Core::Recorded& edges) {
  PageResponse response{.stream_id = r.stream_id, .prg_index = r.prg_index, .code = arch::PrgResponse::failure};
  if (fate == PageRequestFate::refused) {
    facts_.met(at("page.failure"));
    return response;
  }
  if (!r.last) {
    facts_.met(at("page.silent"));
    return std::nullopt;
  }
  bool with_pasid = r.substream_id.has_value();
  if (with_pasid && !facts_.features.pri_pasid) {
    arch::Ste ste;
    fault_ = {};
    fault_regime_ = nullptr;
    if (!registers_.smmuen || (!configuration_.find_stream(registers_, r.stream_id, ste, fault_) && fault_.event)) {
      if (fault_.event && fault_.record && records_ats_errors()) {
        const Request as_access{.stream_id = r.stream_id, .substream_id = r.substream_id, .address = r.address};
        record(event_of(as_access), edges);
      }
      facts_.met(at("page.ste"));
      return response;
    }
    with_pasid = ste.get(arch::Ste::PPAR) != 0;
  }
  facts_.met(at("page.success"));
  response.code = arch::PrgResponse::success;
  if (with_pasid) {
    response.substream_id = r.substream_id;
  }
  return response;
}

} // namespace sluice::model

#include <sluice/model/port_path.hpp>

// 3.9: what endpoints with an ATC ask for and send.
namespace sluice::model {

using arch::Event;
using arch::EventType;
using CompletionStatus = TranslationCompletion::Status;

namespace {

// A key of a Binding for translated transactions is another than that for the others of the same IDs.
constexpr std::uint64_t translated_bit = 1ULL << 53;

constexpr std::uint8_t smallest_unit(const Features& f) { // 3.9.1 STU
  return static_cast<std::uint8_t>(arch::granule_bits(f.gran4k    ? arch::Granule::k4
                                                      : f.gran16k ? arch::Granule::k16
                                                                  : arch::Granule::k64));
}

// 7.3.6: as asked for, before overrides.
Event bad_request(const TranslationRequest& r) {
  Event e;
  e.set(Event::Type, EventType::F_BAD_ATS_TREQ).set(Event::StreamID, r.stream_id);
  e.set(Event::Span, 1).set(Event::R, 1).set(Event::W, !r.no_write);
  e.set(Event::InputPage, r.address & Event::InputPage.mask);
  if (r.substream_id) {
    e.set(Event::SSV, 1).set(Event::SubstreamID, *r.substream_id & Event::SubstreamID.take(~0ULL));
    e.set(Event::X, r.execute).set(Event::P, r.privileged);
  }
  return e;
}

// 3.9.1.2: not an error, but the answer that there is no access.
bool is_denial(const Fault& fault) {
  return fault.event && *fault.event >= EventType::F_TRANSLATION && *fault.event <= EventType::F_PERMISSION;
}

} // namespace

RequestedTranslation PortCore::refuse(const TranslationRequest& r, CompletionStatus status, Core::Recorded& edges) {
  ++count_.faults;
  if (fault_.event) {
    tell_fault();
  }
  facts_.met(status == CompletionStatus::completer_abort ? at("request.error")
             : fault_.event                              ? at("request.unsupported")
             : facts_.features.ats                       ? at("request.silent")
                                                         : at("request.no_ats"));
  RequestedTranslation result{{.status = status}, fault_.event};
  if (status == CompletionStatus::unsupported_request && fault_.event) {
    result.recorded = record(bad_request(r), edges);
  } else if (fault_.event && fault_.record && records_ats_errors()) { // C_BAD_STREAMID: with RECINVSID only
    const Request as_access{.stream_id = r.stream_id, .substream_id = r.substream_id, .address = r.address};
    result.recorded = record(event_of(as_access), edges);
  }
  return result;
}

// 3.9.1.2, 13.7.1
RequestedTranslation PortCore::request_translation(const TranslationRequest& r, Core::Recorded& edges) {
  ++count_.translation_requests;
  idle();
  if (stale_watch_) {
    unbind_all(); // as in resolve_watched()
  }
  fault_ = {};
  fault_regime_ = nullptr;
  if (!facts_.features.ats) {
    return refuse(r, CompletionStatus::unsupported_request, edges);
  }
  const auto forbidden = [&](Place place) {
    fault_ = Fault::of(place);
    return refuse(r, CompletionStatus::unsupported_request, edges);
  };
  if (!registers_.smmuen) {
    return forbidden(at("request.disabled"));
  }
  arch::Ste ste;
  if (!configuration_.find_stream(registers_, r.stream_id, ste, fault_)) {
    return refuse(r, fault_.event ? CompletionStatus::completer_abort : CompletionStatus::unsupported_request, edges);
  }
  const arch::Eats eats = configuration_.eats(registers_, r.stream_id, ste);
  if (eats == arch::Eats::none) {
    core_.software_faults().ats_is_off(r.stream_id);
    return forbidden(ste.get(arch::Ste::Config) == arch::SteConfig::bypass ? at("request.bypass")
                     : ste.get(arch::Ste::EATS) == arch::Eats::split       ? at("request.atschk")
                                                                           : at("request.eats"));
  }

  Request access{.stream_id = r.stream_id, .substream_id = r.substream_id, .address = r.address & ~0xfffULL};
  access.privileged = r.substream_id && r.privileged;
  TranslationCompletion c{.status = CompletionStatus::success,
                          .address = access.address,
                          .log2_size = smallest_unit(facts_.features),
                          .privileged = access.privileged};
  c.address &= ~mask_below(c.log2_size);
  const auto denied = [&] {
    c.read = c.write = c.execute = false;
    if (fault_.event && !is_denial(fault_)) {
      return refuse(r, CompletionStatus::completer_abort, edges);
    }
    facts_.met(at("request.denied"));
    return RequestedTranslation{c, fault_.event};
  };
  const Binding* b = bind(access);
  if (b == nullptr) {
    return denied();
  }
  const Regime& regime = *fault_regime_;
  if (!regime.stage1 && r.address > mask_below(regime.input_limit)) { // 3.4
    fault_ = Fault::of(at("stage1.bypass_size"));
    return denied();
  }
  if (b->bypass) { // 13.6.4: stage 1 is skipped, and there is no other
    c.address = 0;
    c.log2_size = static_cast<std::uint8_t>(facts_.oas);
    c.read = c.write = true;
    facts_.met(at("request.identity"));
    return {c};
  }
  TlbEntry entry;
  if (!permitted(regime, *b, access, r.no_write, entry)) {
    return denied();
  }
  const auto has = [&](bool write, bool instruction) {
    return (entry.allowed() >> rights::wanted(write, instruction, b->use(access).privileged) & 1) != 0;
  };
  const bool all_fetches = regime.rights.instruction == arch::InstructionOverride::instruction;
  const bool all_data = regime.rights.instruction == arch::InstructionOverride::data;
  c.read = has(false, all_fetches);
  c.write = has(true, false) && (!r.no_write || facts_.knobs.grant_unasked_write);
  c.execute = r.substream_id && r.execute && c.read && (all_data || has(false, true));
  if (!c.read && !c.write) {
    fault_ = Fault::of(at("stage1.permission"));
    return denied();
  }
  c.log2_size = static_cast<std::uint8_t>(entry.span_log2());
  const std::uint64_t output = eats == arch::Eats::full ? entry.pa()
                               : regime.stage1          ? entry.ipa_page()
                                                        : access.address; // 13.6.5
  c.address = output & ~mask_below(c.log2_size);
  core_.software_faults().granted(r.stream_id);
  facts_.met(eats == arch::Eats::full ? at("request.success") : at("request.ipa"));
  if (stale_watch_) {
    watch_stale(access);
  }
  return {c};
}

// The translation with which to answer a request, after the updates that it asks for (3.13.7). False with the fault.
bool PortCore::permitted(const Regime& regime, const Binding& b, const Request& r, bool no_write, TlbEntry& entry) {
  const unsigned write = rights::wanted(true, false, b.use(r).privileged);
  const bool all_fetches = regime.rights.instruction == arch::InstructionOverride::instruction;
  const unsigned read = rights::wanted(false, all_fetches, b.use(r).privileged);
  bool found = true;
  if (const TlbEntry* hit = find(b, r.address)) {
    entry = *hit;
  } else {
    found = walker_.translate(regime, r.address, read, entry, fault_);
  }
  const bool no_reads = !found && fault_.event == EventType::F_PERMISSION; // of stage 1: writes it may still permit
  const bool dirty = found && !no_write && entry.clean() && (entry.allowed() >> write & 1) == 0;
  if (dirty || (no_reads && all_fetches && !no_write)) {
    TlbEntry writable;
    Fault fault;
    if (walker_.translate(regime, r.address, write, writable, fault)) {
      entry = writable;
      found = true;
    } else if (!is_denial(fault)) {
      fault_ = fault;
      return false;
    }
  }
  fault_ = found ? Fault{} : fault_;
  return found;
}

// 3.9.1.3
Outcome PortCore::access_translated(Request r, void* data, std::optional<std::uint64_t> asked, Core::Recorded& edges) {
  check_one_page(r);
  ++count_.translated;
  idle();
  Request as_asked = r;
  if (!r.substream_id || !facts_.features.pasid_translated) {
    r.substream_id.reset();
    r.instruction = r.privileged = false;
  }
  Target target;
  if (!resolve_translated(r, target)) {
    return refuse(r, data, edges);
  }
  if (stale_watch_ && asked) {
    as_asked.address = *asked;
    watch_translated(as_asked, r.address);
  }
  return pass(r, data, target);
}

bool PortCore::resolve_translated(const Request& r, Target& target) {
  fault_ = {};
  fault_regime_ = nullptr;
  if (!facts_.features.ats || !registers_.smmuen) {
    fault_ = Fault::of(at("translated.disabled"));
    if (!facts_.features.ats) {
      fault_.place = at("translated.no_ats");
      fault_.record = false;
    }
    return false;
  }
  if (registers_.atschk) {
    const Binding* b = bind_translated(r);
    if (b == nullptr) {
      return false;
    }
    if (!b->bypass) {
      return resolve_bound(*b, *fault_regime_, r, target);
    }
    target = {r.address, b->incoming, b->use(r).instruction, b->use(r).privileged};
  } else {
    target = {r.address, normalised({}), r.instruction && !r.write, r.privileged};
  }
  if (facts_.knobs.truncate_translated) {
    target.pa &= facts_.oas_mask();
  }
  fault_.record = false; // 3.9.1.1
  fault_.place = at("translated.size");
  return target.pa <= facts_.oas_mask();
}

const PortCore::Binding* PortCore::bind_translated(const Request& r) {
  const std::uint64_t key = key_of(r) | translated_bit;
  Binding& b = bindings_[slot(key)];
  Regime& regime = regimes_[slot(key)];
  fault_regime_ = &regime;
  if (b.key == stored(key)) {
    return &b;
  }
  if (!contexts_.room(3)) {
    forget_everything();
  }
  b = {};
  regime = {};
  if (!find_translated(r, regime)) {
    return nullptr;
  }
  fill(b, regime);
  b.key = stored(key);
  return &b;
}

// The order is that of 3.9.1.3.
bool PortCore::find_translated(const Request& r, Regime& regime) {
  const auto error = [&] { // 1 - 3, 6, 7, 9: C_BAD_STREAMID whatever RECINVSID says
    fault_.record = fault_.event && records_ats_errors();
    return false;
  };
  arch::Ste ste;
  if (!configuration_.find_stream(registers_, r.stream_id, ste, fault_)) {
    return error();
  }
  regime.merge = ste.get(arch::Ste::MEV) != 0;
  const arch::Eats eats = configuration_.eats(registers_, r.stream_id, ste);
  if (eats == arch::Eats::none) { // 5
    core_.software_faults().ats_is_off(r.stream_id);
    fault_ = Fault::of(ste.get(arch::Ste::Config) == arch::SteConfig::bypass ? at("translated.bypass")
                                                                             : at("translated.eats"));
    return false;
  }
  bool stage1 = false;
  const bool checked = r.substream_id || facts_.knobs.terminate_translated;
  if (checked && !configuration_.check_substream(ste, r.substream_id, stage1, fault_)) {
    return error();
  }
  const bool with_context = stage1 && r.substream_id;
  configuration_.apply_stream(registers_, ste, with_context, regime);
  if (with_context && !configuration_.apply_context(registers_, ste, r.stream_id, r.substream_id, regime, fault_)) {
    return is_denial(fault_) ? false : error(); // 8: a stage 2 fault is recorded as ever
  }
  // From here on it is an IPA for stage 2, or a PA. 13.5: types of the STE do not count.
  regime.stage1 = false;
  regime.incoming = normalised({});
  if (eats == arch::Eats::full) {
    regime.stage2 = false;
    regime.input_limit = 64;
    regime.rights = facts_.knobs.override_translated ? regime.rights : RightsOverride{};
  } else {
    regime.context = regime.ipa_context;
  }
  return true;
}

} // namespace sluice::model

#include <sluice/model/port_path.hpp>

#include <cstring>

namespace sluice::model {

PortCore::PortCore(Core& core)
    : core_{core}, facts_{core.facts()}, bus_{core.bus()},
      head_{facts_.knobs.adversary.late ? core.log().due() : core.log().head()}, choices_{facts_.knobs.adversary.seed},
      slow_lane_{facts_.knobs.adversary.acts() || facts_.knobs.watch_stale ? 1ULL << 62 : 0},
      tlb_{facts_.knobs.tlb, facts_.knobs.walk_cache}, walker_{bus_, facts_, tlb_},
      configuration_{bus_, facts_, walker_, contexts_, choices_}, binding_mask_{facts_.knobs.ste_cache - 1},
      bindings_{new Binding[facts_.knobs.ste_cache]}, regimes_{new Regime[facts_.knobs.ste_cache]} {
  seen_ = head_.load(base::Order::acquire);
  link_.state.store(PortLink::offline(seen_));
  core_.attach(link_);
  choices_ = Choices{facts_.knobs.adversary.seed + link_.id};
  load_registers();
  if (facts_.knobs.watch_stale) {
    stale_watch_ = std::make_unique<StaleWatch>(bus_, facts_);
  }
}

Translation PortCore::translate_anew(const Request& r, bool quiescent) {
  if (!quiescent) {
    catch_up();
  }
  return translate(r);
}
Outcome PortCore::access_anew(const Request& r, void* data, bool quiescent) {
  if (!quiescent) {
    catch_up();
  }
  Core::Recorded edges;
  const Outcome outcome = access(r, data, edges);
  deliver(edges);
  return outcome;
}

bool PortCore::resolve(const Request& r, Target& target) {
  const std::uint64_t key = key_of(r);
  const Binding& b = bindings_[slot(key)];
  return (b.key == key && resolve_bound_hit(b, r, target)) || resolve_slowly(r, target);
}

bool PortCore::resolve_slowly(const Request& r, Target& target) {
  return slow_lane_ != 0 ? resolve_watched(r, target) : resolve_by_caches(r, target);
}

// The way of each access with an adversary: as fast and as slow as without, but for what happens around it.
bool PortCore::resolve_watched(const Request& r, Target& target) {
  recent_[latest_++ % recent_.size()] = r;
  idle();
  if (stale_watch_) {
    unbind_all(); // so that it goes by the caches of structures, which can be compared
  }
  const Binding& b = bindings_[slot(key_of(r))];
  const bool hit = b.key == stored(key_of(r)) && resolve_bound_hit(b, r, target);
  const bool served = hit || resolve_by_caches(r, target);
  if (stale_watch_) {
    watch_stale(r);
  }
  idle();
  return served;
}

bool PortCore::resolve_by_caches(const Request& r, Target& target) {
  ++count_.tlb_misses;
  fault_ = {};
  fault_regime_ = nullptr;
  if (!registers_.smmuen) {
    return bypass_smmu(r, target);
  }
  const Binding* b = bind(r);
  if (b == nullptr) {
    return false;
  }
  return resolve_bound(*b, *fault_regime_, r, target);
}

bool PortCore::resolve_bound(const Binding& b, const Regime& regime, const Request& r, Target& target) {
  if (!regime.stage1 && r.address > mask_below(regime.input_limit)) {
    // 3.4: too large for stage 1 bypass, with or without stage 2 behind it
    fault_ = Fault::of(at("stage1.bypass_size"));
    return false;
  }
  if (b.bypass) {
    return resolve_bound_hit(b, r, target);
  }
  const unsigned wanted = b.use(r).right;
  TlbEntry walked;
  const TlbEntry* entry = find(b, r.address);
  if (entry == nullptr || (r.write && entry->clean())) {
    if (!walker_.translate(regime, r.address, wanted, walked, fault_)) {
      return false;
    }
    entry = &walked;
  }
  if ((entry->allowed() >> wanted & 1) == 0) {
    fault_ = Walker::permission_fault(regime, *entry, r.address, wanted);
    return false;
  }
  fill(b, *entry, r, target);
  return true;
}

// 6.3.14, 3.4: SMMUEN is 0; nothing is looked up or recorded.
bool PortCore::bypass_smmu(const Request& r, Target& target) {
  fault_.record = false;
  if (registers_.gbpa.get(arch::GBPA::ABORT) != 0) {
    fault_.place = at("gbpa.abort");
    return false;
  }
  if (r.address > facts_.oas_mask()) {
    fault_.place = at("gbpa.size");
    return false;
  }
  const RightsOverride rights = rights_of(registers_.gbpa, facts_);
  target = {r.address, incoming_of(registers_.gbpa, facts_), rights.is_instruction(r), rights.privileged(r)};
  return true;
}

const PortCore::Binding* PortCore::bind(const Request& r) {
  const std::uint64_t key = key_of(r);
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
  if (!configuration_.resolve(registers_, r.stream_id, r.substream_id, regime, fault_)) {
    // A SubstreamID without a CD is one that nobody uses at the moment, which is no mistake.
    const bool unused = fault_.bad_cd == BadCd::n1_v0 && r.substream_id;
    if (fault_.event == arch::EventType::C_BAD_STE || (fault_.event == arch::EventType::C_BAD_CD && !unused)) {
      history_.illegal(key);
    }
    return nullptr;
  }
  if (history_.legal(key)) {
    core_.software_faults().note(SoftwareFault::live_entry_illegal, r.stream_id);
  }
  fill(b, regime);
  b.key = stored(key);
  return &b;
}

void PortCore::fill(Binding& b, const Regime& regime) {
  b.bypass = !regime.stage1 && !regime.stage2;
  b.beyond = ~mask_below(regime.input_limit);
  b.incoming = regime.incoming;
  b.stage1 = regime.stage1;
  b.as_cached = regime.stage1 && !hints_weaken(regime.incoming.mair);
  b.fwb = regime.s2.fwb;
  b.context = TlbKey{regime.context};
  b.global_context = regime.stage1 ? TlbKey{regime.global_context} : b.context;
  if (regime.stage1) {
    b.ignore_top = static_cast<std::uint8_t>(regime.s1.half[0].ignore_top | regime.s1.half[1].ignore_top << 1);
  }
  for (unsigned kind = 0; kind < b.uses.size(); ++kind) {
    const Request r{.write = (kind & 1) != 0, .instruction = (kind & 2) != 0, .privileged = (kind & 4) != 0};
    const bool fetches = regime.rights.is_instruction(r), privileged = regime.rights.privileged(r);
    b.uses[Binding::kind(r)] = {static_cast<std::uint8_t>(rights::wanted(r.write, fetches, privileged) & 7), fetches,
                                privileged};
  }
}

// 13.1.2, 13.5: stage 1's, with hints that the client's take away, not those that come from S2FWB; 13.1.4: stage 2
// alone, applied to the client's.
MemoryType PortCore::type_of(const Binding& b, const TlbEntry& e) {
  return b.stage1 ? MemoryType{combine_hints(e.mair(), b.incoming.mair, e.memattr()), e.sh()}
                  : combine(b.incoming, e.memattr(), e.sh(), b.fwb);
}

// 7.3.1
bool PortCore::may_merge() const {
  switch (*fault_.event) {
  case arch::EventType::C_BAD_STREAMID: // whatever an STE says
  case arch::EventType::F_STE_FETCH:
  case arch::EventType::C_BAD_STE:
    return true;
  default:
    return fault_regime_ != nullptr && fault_regime_->merge;
  }
}

void PortCore::tell_fault() const {
  using Kind = Condition::Kind;
  facts_.met(fault_.place);
  if (fault_.bad_ste != BadSte::none) {
    facts_.met(Kind::bad_ste, static_cast<std::uint16_t>(fault_.bad_ste));
  }
  if (fault_.bad_cd != BadCd::none) {
    facts_.met(Kind::bad_cd, static_cast<std::uint16_t>(fault_.bad_cd));
  }
  if (fault_.stage2) {
    facts_.met(fault_.event_class == arch::EventClass::cd    ? at("class.CD")
               : fault_.event_class == arch::EventClass::ttd ? at("class.TT")
                                                             : at("class.IN"));
  }
}

// The event is recorded before the port is quiescent again: after a CMD_SYNC only what the new configuration brings
// forth may still be written (4.7.3).
Outcome PortCore::refuse(const Request& r, void* data, Core::Recorded& edges) {
  ++count_.faults;
  tell_fault();
  if (fault_.stall) {
    if (const auto stalled = stall(r, edges)) {
      return *stalled;
    }
  }
  Outcome o{fault_.outcome, fault_.event};
  if (fault_.event && fault_.record) {
    o.recorded = record(event_of(r), edges);
  }
  if (fault_.event) {
    facts_.met(o.kind == Outcome::Kind::zeroed ? at("access.zeroed") : at("access.aborted"));
    if (!fault_.record) {
      facts_.met(at("access.silent"));
    }
  }
  if (o.kind == Outcome::Kind::zeroed && !r.write) {
    std::memset(data, 0, r.size);
  }
  return o;
}

bool PortCore::record(const arch::Event& event, Core::Recorded& edges) {
  const auto recorded = core_.record(event, may_merge());
  edges.add(recorded);
  return recorded.written;
}

Transfer PortCore::transfer(Request r, void* data, std::uint64_t size, Core::Recorded& edges) {
  Transfer t;
  auto* bytes = static_cast<std::byte*>(data);
  while (t.done < size) {
    const std::uint64_t in_page = 0x1000 - (r.address & 0xfff);
    r.size = static_cast<std::uint32_t>(size - t.done < in_page ? size - t.done : in_page);
    t.outcome = access(r, bytes + t.done, edges);
    if (!t.outcome.served()) {
      break;
    }
    t.done += r.size;
    r.address += r.size;
    quiesce();
  }
  return t;
}

PortCounters PortCore::counters() const {
  PortCounters c = count_;
  c.walks = walker_.reads();
  c.config_reads = configuration_.reads();
  return c;
}

} // namespace sluice::model

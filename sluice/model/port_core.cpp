#include <sluice/model/port_core.hpp>

#include <cstring>

namespace sluice::model {

PortCore::PortCore(Core& core)
    : core_{core}, facts_{core.facts()}, bus_{core.bus()}, head_{core.log().head()}, tlb_{facts_.knobs.tlb,
                                                                                          facts_.knobs.walk_cache},
      walker_{bus_, facts_, tlb_}, configuration_{bus_, facts_, walker_, contexts_}, bindings_(facts_.knobs.ste_cache),
      regimes_(facts_.knobs.ste_cache) {
  seen_ = head_.load(base::Order::acquire);
  link_.state.store(PortLink::offline(seen_));
  core_.attach(link_);
  load_registers();
}

PortCore::~PortCore() { core_.detach(link_); }

// On the way of every access. A hit reads the binding and the TLB entry; nothing is written.
inline bool PortCore::resolve(const Request& r, Target& target) {
  const std::uint64_t key = key_of(r);
  const std::size_t at = slot(key);
  const Binding& b = bindings_[at];
  if (b.key == key && !b.bypass) [[likely]] {
    // 3.4.1: the top byte repeats bit 55 or is ignored; other addresses are in no TLB.
    const auto extended = static_cast<std::uint64_t>(static_cast<std::int64_t>(r.address << 8) >> 8);
    if (extended == r.address || (b.ignore_top >> (r.address >> 55 & 1) & 1) != 0) [[likely]] {
      const std::uint64_t page = page_of(r.address);
      const TlbEntry* e = tlb_.find(b.context, page);
      if (e == nullptr) {
        e = tlb_.find(b.global_context, page);
      }
      const bool privileged = b.rights.privileged(r);
      const bool instruction = b.rights.is_instruction(r);
      if (e != nullptr && (e->allowed() >> rights::wanted(r.write, instruction, privileged) & 1) != 0) [[likely]] {
        target.pa = e->pa() | (r.address & 0xfff);
        target.instruction = instruction;
        target.privileged = privileged;
        if (regimes_[at].stage1) [[likely]] {
          target.type = {e->mair(), e->sh()};
        } else {
          target.type = combine(regimes_[at].incoming, e->memattr(), e->sh(), regimes_[at].s2.fwb);
        }
        return true;
      }
    }
  }
  return resolve_slowly(r, target);
}

void PortCore::fill(const Regime& regime, const TlbEntry& entry, const Request& r, Target& target) const {
  target.pa = entry.pa() | (r.address & 0xfff);
  target.privileged = regime.rights.privileged(r);
  target.instruction = regime.rights.is_instruction(r);
  target.type = regime.stage1 ? MemoryType{entry.mair(), entry.sh()}
                              : combine(regime.incoming, entry.memattr(), entry.sh(), regime.s2.fwb);
}

bool PortCore::resolve_slowly(const Request& r, Target& target) {
  ++count_.tlb_misses;
  fault_ = {};
  fault_regime_ = nullptr;
  if (!registers_.smmuen) {
    return bypass_smmu(r, target);
  }
  const Regime* regime = bind(r);
  if (regime == nullptr) {
    return false;
  }
  if (!regime->stage1 && r.address > mask_below(regime->input_limit)) {
    // 3.4: too large for stage 1 bypass, with or without stage 2 behind it
    fault_.event = arch::EventType::F_ADDR_SIZE;
    return false;
  }
  if (!regime->stage1 && !regime->stage2) {
    return bypass_stream(*regime, r, target);
  }
  const unsigned wanted = rights::wanted(r.write, regime->rights.is_instruction(r), regime->rights.privileged(r));
  const auto extended = static_cast<std::uint64_t>(static_cast<std::int64_t>(r.address << 8) >> 8);
  const bool ignore_top = regime->stage1 && regime->s1.half[r.address >> 55 & 1].ignore_top;
  const TlbEntry* hit = nullptr;
  if (extended == r.address || ignore_top) {
    hit = tlb_.find(regime->context, page_of(r.address));
    if (hit == nullptr && regime->stage1) {
      hit = tlb_.find(regime->global_context, page_of(r.address));
    }
  }
  TlbEntry walked;
  if (hit == nullptr) {
    if (!walker_.translate(*regime, r.address, wanted, walked, fault_)) {
      return false;
    }
    hit = &walked;
  }
  if ((hit->allowed() >> wanted & 1) == 0) {
    fault_ = Walker::permission_fault(*regime, *hit, r.address, wanted);
    return false;
  }
  fill(*regime, *hit, r, target);
  return true;
}

// 6.3.14, 3.4: SMMUEN is 0; nothing is looked up or recorded.
bool PortCore::bypass_smmu(const Request& r, Target& target) {
  fault_.record = false;
  if (registers_.gbpa.get(arch::GBPA::ABORT) != 0 || r.address > facts_.oas_mask()) {
    return false;
  }
  const RightsOverride rights = rights_of(registers_.gbpa, facts_);
  target = {r.address, incoming_of(registers_.gbpa, facts_), rights.is_instruction(r), rights.privileged(r)};
  return true;
}

bool PortCore::bypass_stream(const Regime& regime, const Request& r, Target& target) {
  target = {r.address, regime.incoming, regime.rights.is_instruction(r), regime.rights.privileged(r)};
  return true;
}

const Regime* PortCore::bind(const Request& r) {
  const std::uint64_t key = key_of(r);
  Binding& b = bindings_[slot(key)];
  Regime& regime = regimes_[slot(key)];
  fault_regime_ = &regime;
  if (b.key == key) {
    return &regime;
  }
  if (!contexts_.room(3)) {
    forget_everything();
  }
  b.key = 0;
  if (!configuration_.resolve(registers_, r.stream_id, r.substream_id, regime, fault_)) {
    return nullptr;
  }
  b = {key,
       regime.context,
       regime.stage1 ? regime.global_context : regime.context,
       0,
       !regime.stage1 && !regime.stage2,
       regime.rights};
  if (regime.stage1) {
    b.ignore_top = static_cast<std::uint8_t>(regime.s1.half[0].ignore_top | regime.s1.half[1].ignore_top << 1);
  }
  return &regime;
}

Translation PortCore::translate(const Request& r) {
  Target target;
  if (resolve(r, target)) {
    return {{}, target.pa, attributes(target.type, target.instruction, target.privileged)};
  }
  ++count_.faults;
  return {{fault_.outcome, fault_.event}, 0, {}};
}

Outcome PortCore::access(const Request& r, void* data, Core::Recorded& edges) {
  base::check(r.size != 0 && (r.address & 0xfff) + r.size <= 0x1000);
  Target target;
  if (!resolve(r, target)) [[unlikely]] {
    return refuse(r, data, edges);
  }
  Attributes attr = attributes(target.type, target.instruction, target.privileged);
  if (facts_.features.version >= arch::v3_4) { // 13: fixed from v3.4
    attr.instruction = false;
    attr.privileged = true;
  }
  const BusAccess access{target.pa, r.size, attr, {r.stream_id}};
  const bool good = r.write ? bus_.write(access, data) : bus_.read(access, data);
  if (!good) [[unlikely]] {
    Outcome o{Outcome::Kind::aborted};
    o.by_bus = true;
    return o;
  }
  return {};
}

// The event is recorded before the port is quiescent again: after a CMD_SYNC only what the new configuration brings
// forth may still be written (4.7.3).
Outcome PortCore::refuse(const Request& r, void* data, Core::Recorded& edges) {
  ++count_.faults;
  Outcome o{fault_.outcome, fault_.event};
  if (fault_.event && fault_.record) {
    const auto recorded = core_.record(event_of(r));
    o.recorded = recorded.written;
    edges.event_edge = edges.event_edge || recorded.event_edge;
    edges.gerror_edge = edges.gerror_edge || recorded.gerror_edge;
  }
  if (o.kind == Outcome::Kind::zeroed && !r.write) {
    std::memset(data, 0, r.size);
  }
  return o;
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

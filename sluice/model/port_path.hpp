#pragma once

#include <sluice/model/port_core.hpp>

// The way of a transaction that hits: a Binding, a TLB entry, nothing written, nothing shared.
namespace sluice::model {

inline const TlbEntry* PortCore::find(const Binding& b, std::uint64_t address) const {
  // 3.4.1: the top byte repeats bit 55 or is ignored; other addresses are in no TLB.
  const auto extended = static_cast<std::uint64_t>(static_cast<std::int64_t>(address << 8) >> 8);
  if (extended != address && (b.ignore_top >> (address >> 55 & 1) & 1) == 0) [[unlikely]] {
    return nullptr;
  }
  const std::uint64_t page = page_of(address);
  const TlbEntry* e = tlb_.find(b.context, page);
  return e != nullptr || !tlb_.has_globals() ? e : tlb_.find(b.global_context, page);
}

inline void PortCore::fill(const Binding& b, const TlbEntry& e, const Request& r, Target& target) {
  target.pa = e.pa() | (r.address & 0xfff);
  target.instruction = b.instruction(r);
  target.privileged = b.privileged(r);
  target.type = b.as_cached ? MemoryType{e.mair(), e.sh()}
                : b.stage1  ? type_of(b, e)
                            : combine(b.incoming, e.memattr(), e.sh(), b.fwb);
}

inline bool PortCore::resolve_hit(const Binding& b, const Request& r, Target& target) const {
  if (b.bypass) {
    target = {r.address, b.incoming, b.instruction(r), b.privileged(r)};
    return (r.address & b.beyond) == 0;
  }
  const TlbEntry* e = find(b, r.address);
  if (e == nullptr || (e->allowed() >> rights::wanted(r.write, b.instruction(r), b.privileged(r)) & 1) == 0) {
    return false;
  }
  fill(b, *e, r, target);
  return true;
}

inline bool PortCore::resolve(const Request& r, Target& target) {
  const std::uint64_t key = key_of(r);
  const Binding& b = bindings_[slot(key)];
  if (b.key == key && resolve_hit(b, r, target)) [[likely]] {
    return true;
  }
  return resolve_slowly(r, target);
}

inline Translation PortCore::translate(const Request& r) {
  Target target;
  if (resolve(r, target)) [[likely]] {
    return {{}, target.pa, target.attributes()};
  }
  ++count_.faults;
  return {{fault_.stall ? Outcome::Kind::stalled : fault_.outcome, fault_.event}, 0, {}};
}

inline Outcome PortCore::access(const Request& r, void* data, Core::Recorded& edges) {
  base::check(r.size != 0 && (r.address & 0xfff) + r.size <= 0x1000);
  Target target;
  if (!resolve(r, target)) [[unlikely]] {
    return refuse(r, data, edges);
  }
  const BusAccess access{target.pa, r.size, target.attributes(), {r.stream_id}};
  const bool good = r.write ? bus_.write(access, data) : bus_.read(access, data);
  if (!good) [[unlikely]] {
    return {Outcome::Kind::aborted, {}, false, true};
  }
  return {};
}

} // namespace sluice::model

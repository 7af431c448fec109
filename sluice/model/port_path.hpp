#pragma once

#include <sluice/model/port_core.hpp>

// The way of a transaction that hits: a Binding, a TLB entry, nothing written, nothing shared. What hits most is looked
// for first, without a call or a frame.
namespace sluice::model {

inline const TlbEntry* PortCore::find(const Binding& b, std::uint64_t address) const {
  // 3.4.1: the top byte repeats bit 55 or is ignored; other addresses are in no TLB.
  if (!is_extended(address) && (b.ignore_top >> (address >> 55 & 1) & 1) == 0) [[unlikely]] {
    return nullptr;
  }
  const std::uint64_t page = page_of(address);
  const TlbEntry* e = tlb_.find(b.context, page);
  return e != nullptr || !tlb_.has_globals() ? e : tlb_.find(b.global_context, page);
}

inline void PortCore::fill(const Binding& b, const TlbEntry& e, const Request& r, Target& target) {
  const Use use = b.use(r);
  const MemoryType type = b.as_cached ? MemoryType{e.mair(), e.sh()} : type_of(b, e);
  target = {e.pa() | (r.address & 0xfff), type, use.instruction, use.privileged};
}

inline bool PortCore::resolve_bound_hit(const Binding& b, const Request& r, Target& target) const {
  if (b.bypass) {
    const Use use = b.use(r);
    target = {r.address, b.incoming, use.instruction, use.privileged};
    return (r.address & b.beyond) == 0;
  }
  const TlbEntry* e = find(b, r.address);
  if (e == nullptr || (e->allowed() >> b.use(r).right & 1) == 0) {
    return false;
  }
  fill(b, *e, r, target);
  return true;
}

// A hit in the context's own pages, whose type is as it is cached, at an address without a tag.
inline bool PortCore::resolve_common_hit(const Request& r, Target& target) const {
  const std::uint64_t key = key_of(r);
  const Binding& b = bindings_[slot(key)];
  const std::uint64_t page = page_of(r.address);
  const TlbEntry& e = tlb_.nearest(b.context, page);
  const Use use = b.use(r);
  if (b.key != key || !b.as_cached || !e.is(b.context, page) || !is_extended(r.address) ||
      (e.allowed() >> use.right & 1) == 0) [[unlikely]] {
    return false;
  }
  target = {e.pa() | (r.address & 0xfff), {e.mair(), e.sh()}, use.instruction, use.privileged};
  return true;
}

inline Translation PortCore::translate(const Request& r) {
  Target target;
  if (resolve_common_hit(r, target) || resolve(r, target)) [[likely]] {
    return {{}, target.pa, target.attributes()};
  }
  ++count_.faults;
  return {{fault_.stall ? Outcome::Kind::stalled : fault_.outcome, fault_.event}, 0, {}};
}

inline Translation PortCore::translate_in_burst(const Request& r) {
  Target target;
  const bool quiescent = is_quiescent();
  if (quiescent && resolve_common_hit(r, target)) [[likely]] {
    return {{}, target.pa, target.attributes()};
  }
  return translate_anew(r, quiescent);
}

inline Outcome PortCore::pass(const Request& r, void* data, const Target& target) const {
  const BusAccess access{target.pa, r.size, target.attributes(), {r.stream_id}};
  const bool good = r.write ? bus_.write(access, data) : bus_.read(access, data);
  if (!good) [[unlikely]] {
    facts_.met(at("bus.abort"));
    return {Outcome::Kind::aborted, {}, false, true};
  }
  return {};
}

inline Outcome PortCore::access(const Request& r, void* data, Core::Recorded& edges) {
  check_one_page(r);
  Target target;
  if (!resolve_common_hit(r, target) && !resolve(r, target)) [[unlikely]] {
    return refuse(r, data, edges);
  }
  return pass(r, data, target);
}

inline Outcome PortCore::access_in_burst(const Request& r, void* data) {
  check_one_page(r);
  Target target;
  const bool quiescent = is_quiescent();
  if (quiescent && resolve_common_hit(r, target)) [[likely]] {
    return pass(r, data, target);
  }
  return access_anew(r, data, quiescent);
}

} // namespace sluice::model

#pragma once

#include <sluice/differential/departures.hpp>

// What QEMU does, one function for each departure: false if it is not about the situation.
namespace sluice::differential::quirk {

// quirks_config.cpp: stream table, STE, CD
bool far_iova(Situation& s);
bool bypass_range(Situation& s);
bool span_doubled(Situation& s);
bool span_beyond(Situation& s);
bool second_level_pointer(Situation& s);
bool s1cdmax(Situation& s);
bool s1stalld(Situation& s);
bool s2_httu(Situation& s);
bool start_level(Situation& s);
bool stage1_range(Situation& s);
bool s2t0sz_by_s2ps(Situation& s);
bool context_pointer_48(Situation& s);
bool context_pointer_range(Situation& s);
bool ttb_bit_51(Situation& s);
bool tbi1(Situation& s);
bool aarch32_stage2(const Case& c);
bool reserved_ips(const Case& c);

// quirks_walk.cpp
bool access_flag(Situation& s);
bool unprivileged(Situation& s);
bool table_permission(Situation& s);
bool block_level(Situation& s);
bool table_range(Situation& s);
bool leaf_range(Situation& s);
bool leaf_order(Situation& s);

// quirks_nested.cpp: what stage 2 does for itself and for stage 1
bool concatenation(Situation& s);
bool s2ptw(Situation& s);
bool both_ttbs(Situation& s);
bool table_base(Situation& s);
bool stage2_tables(Situation& s);
bool stage2_block_level(Situation& s);

// quirks_record.cpp
bool cd_fetch_address(Situation& s);
bool no_class(Situation& s);
bool ipa_offset(Situation& s);
bool rnw_of_fetch(Situation& s);

// Common to them
arch::Ste ste(const Situation& s);
arch::Cd cd(const Situation& s);
bool read_ste(const Situation& s); // the model found an STE and no fault in it
bool read_cd(const Situation& s);  // and a CD
bool is(const Situation& s, arch::EventType type);
// The record of the model's fault, also where CD.R or STE.S2R keep it from being written.
std::optional<arch::Event> record_of(Situation& s);
arch::Event event(const Situation& s, arch::EventType type, arch::EventClass why = arch::EventClass::in);
Seen only(const arch::Event& e);
Seen nothing();
// The transaction arrives at this PA.
void arrive(Situation& s, std::uint64_t pa);
// What QEMU's stage 2 alone makes of an IPA.
Answer through_stage2(Situation& s, std::uint64_t ipa, bool write);
// A leaf of stage 1 that QEMU takes, with its checks: it leads to `base` and what is below `shift` of the IOVA.
// `tables` are the descriptors above it.
void take_leaf(Situation& s, std::uint64_t descriptor, std::uint64_t base, unsigned shift,
               std::span<const std::uint64_t> tables, bool check_range);
// The half of the CD that the IOVA is in, if it is in one.
struct Stage1Half {
  arch::Granule granule{};
  unsigned input_bits{};
  int start{};
  std::uint64_t ttb{};
  std::uint64_t input{}; // of the IOVA
};
std::optional<Stage1Half> half(const Situation& s);
// An STE's stage 2, if it is one.
struct Stage2Shape {
  arch::Granule granule{};
  unsigned input_bits{};
  int start{};
  unsigned tables{}; // concatenated; 0: the start level does not fit
  std::uint64_t root{};
  std::uint64_t bytes{}; // of the first table
};
std::optional<Stage2Shape> stage2_shape(const Situation& s);

} // namespace sluice::differential::quirk

#pragma once

#include "rules.hpp"
#include "types.hpp"

namespace sluice::fuzz::reference {

// Why a transaction is not served.
struct Fault {
  arch::EventType type{};
  bool stage2{};
  arch::EventClass why{arch::EventClass::in};
  std::uint64_t ipa{};
  std::uint64_t fetch{};
  bool update{}; // 7.3.16 TTRnW: stage 2 refused the update of a descriptor
};
using Verdict = std::optional<Fault>; // no value: all is well

// A transaction on its way. Updates of descriptors are seen by what is read after them.
struct Way {
  const Registers& r;
  const Memory& memory;
  Answer& answer;
  arch::Ste ste{};
  arch::Cd cd{};
  World world{};
  bool write{}, instruction{}, privileged{}; // after the STE's overrides

  std::optional<std::uint64_t> read(const Read& what) {
    answer.reads.push_back(what);
    const auto updated = answer.writes.find(what.at);
    return updated != answer.writes.end() ? updated->second : memory.word(what.at);
  }
};

// What a configuration look-up ends with: an event, or nothing but the abort.
struct Refusal {
  arch::EventType type{};
  bool recorded{true};
  std::uint64_t fetch{};
};
using Found = std::optional<Refusal>; // no value: found
struct CdFound {
  Found refused{};
  Verdict fault{};
};
Found find_ste(Way& way, std::uint32_t stream);
CdFound find_cd(Way& way, std::uint32_t index);

// tags.cpp: what of the structures TLBs may hold.
void note_stage2(Answer& answer, const arch::Ste& s);
void note_stage1(Answer& answer, const arch::Cd& c);

// What a stage 2 look-up is for.
struct Purpose {
  arch::EventClass why{arch::EventClass::in};
  bool write{}, instruction{}, privileged{};
};

// Where an address leads, and as what.
struct Reached {
  std::uint64_t address{};
  Type type{};
};

// 3.4, D8.2: from an IPA to its PA. The type that is there is stage 1's or the client's.
Verdict stage2(Way& way, std::uint64_t ipa, const Purpose& purpose, Reached& reached);
// From a VA to an IPA, or to a PA without stage 2. A stage 1 descriptor that is to be updated is left in `update`.
struct Update {
  std::uint64_t at_ipa{};
  std::uint64_t at{};
  Type type{};
  std::uint64_t before{}, after{};
};
Verdict stage1(Way& way, std::uint64_t va, Reached& out, std::optional<Update>& update);

} // namespace sluice::fuzz::reference

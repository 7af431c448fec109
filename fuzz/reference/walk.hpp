#pragma once

#include "rules.hpp"

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

// What a stage 2 look-up is for.
struct Purpose {
  arch::EventClass why{arch::EventClass::in};
  bool write{}, instruction{}, privileged{};
};

// 3.4, D8.2: from an IPA to its PA.
Verdict stage2(Way& way, std::uint64_t ipa, const Purpose& purpose, std::uint64_t& pa);
// From a VA to an IPA, or to a PA without stage 2. A stage 1 descriptor that is to be updated is left in `update`.
struct Update {
  std::uint64_t at_ipa{};
  std::uint64_t at{};
  std::uint64_t before{}, after{};
};
Verdict stage1(Way& way, std::uint64_t va, std::uint64_t& out, std::optional<Update>& update);

} // namespace sluice::fuzz::reference

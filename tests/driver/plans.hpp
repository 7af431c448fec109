#pragma once

#include <sluice/driver/guest_ste.hpp>
#include <sluice/driver/plan.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

// STEs of each kind, and an observer that sees every mixture of what a plan stores.
namespace sluice::test::plans {

using namespace arch;
using driver::EntryFacts;
using driver::EntryWords;
using driver::Plan;
using driver::PlanFacts;
using driver::Step;
using driver::Way;
using iommu::Gap;

inline const EntryFacts entry_facts{true, true, true, false, true};

inline pagetable::Fields table(std::uint64_t ttb) {
  pagetable::Fields f;
  f.TTB = ttb;
  f.T0SZ = 24;
  f.S2SL0 = 1;
  f.PS = AddressSize::bits48;
  f.IR = f.OR = Cacheability::write_back;
  f.SH = Shareability::inner;
  f.MAIR0 = 0x44ff;
  return f;
}

// A guest's stage 1 on one of our stage 2s.
inline Ste nested(const Ste& stage2, std::uint64_t cd_table, S1Dss dss = S1Dss::cd0) {
  const Ste guests = Ste{}
                         .with(Ste::V, 1)
                         .with(Ste::Config, SteConfig::stage1)
                         .with(Ste::S1ContextPtr, cd_table)
                         .with(Ste::S1Fmt, S1Format::two_level_64k)
                         .with(Ste::S1CDMax, 7)
                         .with(Ste::S1DSS, dss)
                         .with(Ste::S1CIR, Cacheability::write_back)
                         .with(Ste::S1COR, Cacheability::write_back)
                         .with(Ste::S1CSH, Shareability::inner);
  return driver::merged_ste(*driver::guest_ste({{guests.w[0], guests.w[1]}}), stage2);
}

struct Kind {
  const char* name;
  Ste ste;
};
inline const std::vector<Kind> kinds{
    {"invalid", Ste{}},
    {"abort", driver::abort_ste()},
    {"bypass", driver::bypass_ste(entry_facts)},
    {"stage 1 A", driver::stage1_ste(entry_facts, 0x1000)},
    {"stage 1 B", driver::stage1_ste(entry_facts, 0x2000)},
    {"table A", driver::table_ste(entry_facts, 0x6000, S1Format::two_level_4k, 9, S1Dss::cd0)},
    {"table A, bypass", driver::table_ste(entry_facts, 0x6000, S1Format::two_level_4k, 9, S1Dss::bypass)},
    {"table A, terminate", driver::table_ste(entry_facts, 0x6000, S1Format::two_level_4k, 9, S1Dss::terminate)},
    {"table B, linear", driver::table_ste(entry_facts, 0x7000, S1Format::linear, 4, S1Dss::cd0)},
    {"stage 2 A", driver::stage2_ste(entry_facts, 1, table(0x10000))},
    {"stage 2 B", driver::stage2_ste(entry_facts, 2, table(0x20000))},
    {"stage 2 A, other root", driver::stage2_ste(entry_facts, 1, table(0x30000))},
    {"nested on A", nested(driver::stage2_ste(entry_facts, 1, table(0x10000)), 0x4000)},
    {"nested on A, other CDs", nested(driver::stage2_ste(entry_facts, 1, table(0x10000)), 0x5000)},
    {"nested on A, other S1DSS", nested(driver::stage2_ste(entry_facts, 1, table(0x10000)), 0x4000, S1Dss::bypass)},
    {"nested on A, both", nested(driver::stage2_ste(entry_facts, 1, table(0x10000)), 0x5000, S1Dss::bypass)},
    {"nested on B", nested(driver::stage2_ste(entry_facts, 2, table(0x20000)), 0x4000)},
};
inline bool is_nested(const Ste& ste) { return ste.get(Ste::Config) == SteConfig::nested; }

inline bool same(const EntryWords& a, const EntryWords& b, const EntryWords& used) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (((a[i] ^ b[i]) & used[i]) != 0) {
      return false;
    }
  }
  return true;
}

// What an SMMU may hold: the words that it has fetched at any time since they were last invalidated.
struct Observer {
  std::array<std::vector<std::uint64_t>, 8> seen;

  void forget(const EntryWords& memory) {
    for (std::size_t i = 0; i < 8; ++i) {
      seen[i] = {memory[i]};
    }
  }
  void store(std::size_t word, std::uint64_t value) { seen[word].push_back(value); }

  // Calls f with every mixture of them.
  template <class F>
  void mixtures(F f) const {
    EntryWords e{};
    mix(0, e, f);
  }

private:
  template <class F>
  void mix(std::size_t word, EntryWords& e, F& f) const {
    if (word == 8) {
      return f(e);
    }
    for (const auto v : seen[word]) {
      e[word] = v;
      mix(word + 1, e, f);
    }
  }
};

inline EntryWords used(const EntryWords& words) {
  Ste s;
  s.w = words;
  return driver::used_bits(s, entry_facts);
}

// As an SMMU would take it: what it uses of the entry is all of the old one's meaning, or all of the new one's, but for
// what has no part in the result.
inline bool means(const EntryWords& entry, const EntryWords& meaning, const EntryWords& exempt) {
  EntryWords counts = used(meaning);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] &= ~exempt[i];
  }
  return used(entry) == used(meaning) && same(entry, meaning, counts);
}

// Carries the plan out on memory and asks `check` after each store with every mixture that may be cached. A 128-bit
// store is seen whole.
template <class Check>
EntryWords run(const Plan& plan, const EntryWords& from, Check check) {
  EntryWords memory = from;
  Observer observer;
  observer.forget(memory);
  for (const Step& step : plan.all()) {
    if (step.kind == Step::Kind::store) {
      memory[step.word] = step.value[0];
      observer.store(step.word, step.value[0]);
    } else if (step.kind == Step::Kind::store128) {
      check(memory); // before and after; nothing else of these two is ever seen
      memory[step.word] = step.value[0];
      memory[step.word + 1U] = step.value[1];
      check(memory);
      observer.forget(memory);
      continue;
    } else if (step.kind == Step::Kind::invalidate) {
      observer.forget(memory);
    }
    observer.mixtures(check);
  }
  return memory;
}

inline Plan make(const Ste& from, const Ste& to, const PlanFacts& facts) {
  return driver::plan(from.w, to.w, used(from.w), used(to.w), facts);
}

template <class F>
void each_pair(F f) {
  for (const auto& from : kinds) {
    for (const auto& to : kinds) {
      SCOPED_TRACE(std::string{from.name} + " -> " + to.name);
      f(from.ste, to.ste);
    }
  }
}

inline const PlanFacts facts_of_all[] = {
    {false, false, true, {}}, {false, true, true, {}},  {true, false, true, {}},
    {true, true, true, {}},   {false, true, false, {}}, {true, true, false, driver::exempt_bits(true)},
};

} // namespace sluice::test::plans

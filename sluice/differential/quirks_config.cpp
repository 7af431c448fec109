#include <sluice/differential/quirks.hpp>

#include <sluice/arch/features.hpp>
#include <sluice/arch/geometry.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/model/idr.hpp>

namespace sluice::differential::quirk {

using arch::Cd;
using arch::EventType;
using arch::L1Std;
using arch::Ste;

namespace {

constexpr std::uint64_t ones(unsigned bits) { return (1ULL << bits) - 1; }

// The second level as QEMU takes it: 2^Span STEs from a pointer that need not be aligned.
struct SecondLevel {
  unsigned span;
  std::uint32_t within;
  std::uint64_t pointer;
  unsigned split;

  bool any() const { return span != 0; }
  bool holds() const { return span >= 32 || within < (1ULL << span); }
  std::uint64_t at() const { return pointer + 64ULL * within; }
};

SecondLevel second_level(const Situation& s) {
  const auto l1 = s.structure<L1Std>(s.c.l1std_at);
  const auto split = arch::effective_split(s.c.cfg.get(arch::STRTAB_BASE_CFG::SPLIT));
  return {static_cast<unsigned>(l1.get(L1Std::Span)), static_cast<std::uint32_t>(s.c.stream_id & ones(split)),
          l1.get(L1Std::L2Ptr), split};
}

// The model fetches at `c.ste_at`, as far as it knows, what QEMU finds elsewhere.
void lead_to(Situation& s, std::uint64_t at) {
  if (!area::is_ram(at)) {
    s.instead = only(event(s, EventType::F_STE_FETCH).set(arch::Event::FetchAddr, at & arch::Event::FetchAddr.mask));
    s.unknowable = s.unknowable || !area::is_hole(at);
    return;
  }
  const SecondLevel second = second_level(s);
  const auto found = s.structure<Ste>(at);
  constexpr std::uint64_t elsewhere = 0x4600'0000; // aligned to the largest second-level table
  const unsigned span = second.split + 1;
  s.pretend(s.c.l1std_at, L1Std{}.set(L1Std::Span, span).set(L1Std::L2Ptr, elsewhere));
  s.ste_at = elsewhere + 64ULL * second.within;
  s.pretend(s.ste_at, found);
}

} // namespace

// 3.4: an address has 64 bits wherever it comes from.
bool far_iova(Situation& s) {
  if (s.c.iova >> 48 == 0) {
    return false;
  }
  s.instead = nothing();
  return true;
}

bool bypass_range(Situation& s) {
  if (!read_ste(s) || ste(s).get(Ste::Config) != arch::SteConfig::bypass || !is(s, EventType::F_ADDR_SIZE)) {
    return false;
  }
  arrive(s, s.c.iova);
  return true;
}

bool span_doubled(Situation& s) {
  if (s.c.l1std_at == 0 || !is(s, EventType::C_BAD_STREAMID) || s.answer.fetches.size() != 1) {
    return false;
  }
  const SecondLevel second = second_level(s);
  if (!second.any() || !second.holds()) {
    return false;
  }
  lead_to(s, second.at());
  return true;
}

bool span_beyond(Situation& s) {
  if (s.c.l1std_at == 0 || !is(s, EventType::C_BAD_STREAMID) || s.answer.fetches.size() != 1) {
    return false;
  }
  const SecondLevel second = second_level(s);
  if (!second.any() || second.holds()) {
    return false;
  }
  s.instead = only(event(s, EventType::C_BAD_STE));
  return true;
}

bool second_level_pointer(Situation& s) {
  if (s.c.l1std_at == 0 || s.answer.fetches.empty() || is(s, EventType::C_BAD_STREAMID)) {
    return false;
  }
  const SecondLevel second = second_level(s);
  if (!second.any() || second.span > arch::l1std_max_span || (second.pointer & ones(5 + second.span)) == 0) {
    return false;
  }
  lead_to(s, second.at());
  return true;
}

bool s1cdmax(Situation& s) {
  const auto config = ste(s).get(Ste::Config);
  const bool translates = arch::translates_stage1(config) || arch::translates_stage2(config);
  if (!read_ste(s) || !translates || ste(s).get(Ste::S1CDMax) == 0) {
    return false;
  }
  s.instead = only(event(s, EventType::C_BAD_STE));
  return true;
}

bool s1stalld(Situation& s) {
  if (!read_ste(s) || ste(s).get(Ste::Config) != arch::SteConfig::stage2 || ste(s).get(Ste::S1STALLD) == 0) {
    return false;
  }
  s.instead = only(event(s, EventType::C_BAD_STE));
  return true;
}

bool s2_httu(Situation& s) {
  const Ste e = ste(s);
  if (!is(s, EventType::C_BAD_STE) || !arch::translates_stage2(e.get(Ste::Config)) ||
      (e.get(Ste::S2HA) | e.get(Ste::S2HD)) == 0) {
    return false;
  }
  s.pretend(s.ste_at, Ste{e}.set(Ste::S2HA, 0).set(Ste::S2HD, 0));
  return true;
}

bool start_level(Situation& s) {
  const auto shape = stage2_shape(s);
  if (!is(s, EventType::C_BAD_STE) || !shape || shape->tables != 0) {
    return false;
  }
  const unsigned shift = arch::level_shift(shape->granule, shape->start);
  if (shape->input_bits > shift) {
    return false; // too low
  }
  if (shape->input_bits + 3 < shift) { // QEMU shifts by a negative number, and reads elsewhere
    s.unknowable = true;
    s.instead = nothing();
    return true;
  }
  const bool nested = ste(s).get(Ste::Config) == arch::SteConfig::nested;
  const std::uint64_t first = nested ? ste(s).get(Ste::S1ContextPtr) : s.c.iova;
  if (first >> shape->input_bits != 0) {
    const auto fault = event(s, EventType::F_TRANSLATION, nested ? arch::EventClass::cd : arch::EventClass::in);
    const bool recorded = ste(s).get(Ste::S2R) != 0;
    s.instead = recorded ? only(fault.with(arch::Event::S2, 1).with(arch::Event::IPA, first & arch::Event::IPA.mask))
                         : nothing();
    return true;
  }
  s.pretend(s.ste_at, ste(s).set(Ste::S2T0SZ, 64 - (shift + 1)));
  return true;
}

bool stage1_range(Situation& s) {
  if (!read_ste(s) || ste(s).get(Ste::Config) != arch::SteConfig::stage2 || !is(s, EventType::F_ADDR_SIZE) ||
      s.c.iova >> s.features.oas_bits == 0) {
    return false;
  }
  s.instead = nothing();
  return true;
}

bool s2t0sz_by_s2ps(Situation& s) {
  const Ste e = s.c.ste(); // not what start_level makes of it
  if (!read_ste(s) || !arch::translates_stage2(e.get(Ste::Config))) {
    return false;
  }
  const unsigned size = arch::effective_output_bits(model::identity(s.features), e.get(Ste::S2PS));
  if (64 - e.get(Ste::S2T0SZ) <= size) {
    return false;
  }
  s.instead = only(event(s, EventType::C_BAD_STE));
  return true;
}

bool context_pointer_48(Situation& s) {
  Ste e = ste(s);
  if (!is(s, EventType::C_BAD_STE) || e.get(Ste::V) == 0 || !arch::translates_stage1(e.get(Ste::Config)) ||
      e.get(Ste::S1ContextPtr) >> 48 == 0) {
    return false;
  }
  s.pretend(s.ste_at, e.set(Ste::S1ContextPtr, e.get(Ste::S1ContextPtr) & ones(48)));
  return true;
}

bool context_pointer_range(Situation& s) {
  const Ste e = ste(s);
  if (!is(s, EventType::C_BAD_STE) || e.get(Ste::V) == 0 || !arch::translates_stage1(e.get(Ste::Config))) {
    return false;
  }
  const std::uint64_t pointer = e.get(Ste::S1ContextPtr);
  if (pointer >> s.features.oas_bits == 0) {
    return false;
  }
  // What else the STE may be ILLEGAL for comes first.
  Overlay in_range = s.overlay;
  in_range[s.ste_at] = e.with(Ste::S1ContextPtr, s.c.cd_at).w[0];
  const Answer otherwise = s.ours.run(s.c, in_range);
  if (otherwise.outcome.event == EventType::C_BAD_STE) {
    return false;
  }
  if (e.get(Ste::Config) == arch::SteConfig::nested) {
    s.instead = nothing(); // as stage1_range
    return true;
  }
  s.instead = only(event(s, EventType::F_CD_FETCH).set(arch::Event::FetchAddr, pointer & arch::Event::FetchAddr.mask));
  return true;
}

bool ttb_bit_51(Situation& s) {
  Cd c = cd(s);
  constexpr std::uint64_t bit = 1ULL << 51;
  if (!is(s, EventType::C_BAD_CD) || s.c.cd_at == 0 || ((c.get(Cd::TTB0) | c.get(Cd::TTB1)) & bit) == 0) {
    return false;
  }
  s.pretend(s.c.cd_at, c.set(Cd::TTB0, c.get(Cd::TTB0) & ~bit).set(Cd::TTB1, c.get(Cd::TTB1) & ~bit));
  return true;
}

bool tbi1(Situation& s) {
  const Cd c = cd(s);
  if (s.c.cd_at == 0 || (s.c.iova >> 55 & 1) == 0 || c.get(Cd::TBI1) == c.get(Cd::TBI0)) {
    return false;
  }
  s.pretend(s.c.cd_at, Cd{c}.set(Cd::TBI1, c.get(Cd::TBI0)));
  return true;
}

bool aarch32_stage2(const Case& c) {
  const Ste e = c.ste();
  return e.get(Ste::V) != 0 && arch::translates_stage2(e.get(Ste::Config)) && e.get(Ste::S2AA64) == 0;
}

bool reserved_ips(const Case& c) {
  const Ste e = c.ste();
  return c.cd_at != 0 && e.get(Ste::V) != 0 && arch::translates_stage1(e.get(Ste::Config)) && c.cd().get(Cd::V) != 0 &&
         c.cd().get(Cd::IPS) > arch::AddressSize::bits48;
}

} // namespace sluice::differential::quirk

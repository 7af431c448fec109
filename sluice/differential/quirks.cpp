#include <sluice/differential/quirks.hpp>

#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/features.hpp>
#include <sluice/arch/stage2_geometry.hpp>
#include <sluice/model/idr.hpp>

#include <algorithm>

namespace sluice::differential::quirk {

using arch::Cd;
using arch::Event;
using arch::EventType;
using arch::Ste;

Ste ste(const Situation& s) { return s.structure<Ste>(s.ste_at); }
Cd cd(const Situation& s) { return s.structure<Cd>(s.c.cd_at); }

namespace {
bool fetched(const Situation& s, std::uint64_t at) {
  const auto& all = s.answer.fetches;
  return std::any_of(all.begin(), all.end(), [&](const Fetch& f) { return f.address == at; });
}
} // namespace

bool is(const Situation& s, EventType type) { return s.answer.outcome.event == type; }
std::optional<Event> record_of(Situation& s) {
  Seen seen = s.answer.seen;
  if (seen.events.empty() && s.answer.outcome.event) {
    Overlay overlay = s.overlay;
    overlay[s.ste_at + 16] = ste(s).set(Ste::S2R, 1).w[2];
    if (s.c.cd_at != 0) {
      overlay[s.c.cd_at] = cd(s).set(Cd::R, 1).w[0];
    }
    seen = s.ours.run(s.c, overlay).seen;
  }
  return seen.events.size() == 1 ? std::optional{seen.events[0]} : std::nullopt;
}

bool read_ste(const Situation& s) {
  return fetched(s, s.ste_at) && !is(s, EventType::F_STE_FETCH) && !is(s, EventType::C_BAD_STE);
}
bool read_cd(const Situation& s) {
  return s.c.cd_at != 0 && read_ste(s) && fetched(s, s.c.cd_at + 56) && !is(s, EventType::C_BAD_CD) &&
         arch::translates_stage1(ste(s).get(Ste::Config));
}

Event event(const Situation& s, EventType type, arch::EventClass why) {
  Event e;
  e.set(Event::Type, type).set(Event::StreamID, s.c.stream_id);
  if (type < EventType::F_WALK_EABT) {
    return e;
  }
  return e.set(Event::RnW, !s.c.write).set(Event::CLASS, why).set(Event::InputAddr, s.c.iova);
}

Seen only(const Event& e) {
  Seen seen;
  seen.events.push_back(e);
  return seen;
}
Seen nothing() { return {}; }

void arrive(Situation& s, std::uint64_t pa) {
  s.instead = Seen{};
  if (!area::is_ram(pa)) {
    s.unknowable = s.unknowable || !area::is_hole(pa);
  } else if (s.c.write) {
    s.instead->landed = pa;
  } else {
    s.instead->value = s.ram.get32(pa);
  }
}

std::optional<Stage1Half> half(const Situation& s) {
  const Cd c = cd(s);
  const bool high = (s.c.iova >> 55 & 1) != 0;
  const auto g = high ? arch::granule_of(c.get(Cd::TG1)) : arch::granule_of(c.get(Cd::TG0));
  const auto size = static_cast<unsigned>(high ? c.get(Cd::T1SZ) : c.get(Cd::T0SZ));
  if (!g || size < 16 || size > arch::max_txsz) {
    return std::nullopt;
  }
  Stage1Half h{*g, 64 - size, arch::start_level(*g, 64 - size), high ? c.get(Cd::TTB1) : c.get(Cd::TTB0), 0};
  h.input = s.c.iova & ((1ULL << h.input_bits) - 1);
  const bool disabled = (high ? c.get(Cd::EPD1) : c.get(Cd::EPD0)) != 0;
  const bool ignore_top = (high ? c.get(Cd::TBI1) : c.get(Cd::TBI0)) != 0;
  const std::uint64_t above = (ignore_top ? (1ULL << 56) - 1 : ~0ULL) & ~((1ULL << h.input_bits) - 1);
  return disabled || (s.c.iova & above) != (high ? above : 0) ? std::nullopt : std::optional{h};
}

std::optional<Stage2Shape> stage2_shape(const Situation& s) {
  const Ste e = ste(s);
  const auto g = arch::granule_of(e.get(Ste::S2TG));
  const auto size = static_cast<unsigned>(e.get(Ste::S2T0SZ));
  if (!arch::translates_stage2(e.get(Ste::Config)) || !g || size < 16 || size > arch::max_txsz) {
    return std::nullopt;
  }
  const int start = arch::s2_start_level(*g, {static_cast<std::uint8_t>(e.get(Ste::S2SL0)), 0}, false, false);
  if (start == arch::no_level) {
    return std::nullopt;
  }
  Stage2Shape shape{*g, 64 - size, start, arch::s2_concatenation(*g, start, size, false, false), 0, 0};
  shape.bytes = shape.tables == 0 ? 0 : arch::first_table_bytes(*g, start, shape.input_bits);
  shape.root = e.get(Ste::S2TTB) & ((1ULL << 52) - 1) & ~(shape.bytes - 1); // 52 bits from v3.1 to v3.3
  return shape;
}

void take_leaf(Situation& s, std::uint64_t descriptor, std::uint64_t base, unsigned shift,
               std::span<const std::uint64_t> tables, bool check_range) {
  using arch::S1Leaf, arch::S1Table;
  const Cd c = cd(s);
  const bool high = (s.c.iova >> 55 & 1) != 0;
  const bool recorded = c.get(Cd::R) != 0;
  const auto refuse = [&](EventType type) { s.instead = recorded ? only(event(s, type)) : nothing(); };
  S1Leaf leaf;
  leaf.w[0] = descriptor;
  if (s.version == Version::qemu11 && leaf.get(S1Leaf::AF) == 0 && c.get(Cd::AFFD) == 0) {
    return refuse(EventType::F_ACCESS);
  }
  bool read_only = arch::read_only(leaf.get(S1Leaf::AP));
  const bool hierarchy = (high ? c.get(Cd::HAD1) : c.get(Cd::HAD0)) == 0;
  for (const std::uint64_t d : tables) {
    read_only = read_only || (hierarchy && (S1Table::APTable.take(d) & 2) != 0);
  }
  if (s.c.write && read_only) {
    return refuse(EventType::F_PERMISSION);
  }
  const unsigned size = arch::effective_output_bits(model::identity(s.features), c.get(Cd::IPS));
  if (check_range && base >> size != 0) {
    return refuse(EventType::F_ADDR_SIZE);
  }
  const std::uint64_t output = base | (s.c.iova & ((1ULL << shift) - 1));
  if (ste(s).get(Ste::Config) != arch::SteConfig::nested) {
    return arrive(s, output);
  }
  s.instead = through_stage2(s, output, s.c.write).seen;
  for (Event& e : s.instead->events) {
    e.set(Event::InputAddr, s.c.iova);
  }
}

} // namespace sluice::differential::quirk

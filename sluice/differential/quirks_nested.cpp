#include <sluice/differential/quirks.hpp>

#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/features.hpp>
#include <sluice/arch/stage2_geometry.hpp>
#include <sluice/model/idr.hpp>

namespace sluice::differential::quirk {

using arch::Cd;
using arch::Event;
using arch::EventType;
using arch::Ste;

namespace {

bool nested(const Situation& s) { return ste(s).get(Ste::Config) == arch::SteConfig::nested; }

// The descriptor of stage 2 that the architecture stops at and QEMU does not: a table out of range, or a block where
// none may be.
struct Overlooked {
  std::uint64_t descriptor{};
  int level{};
  bool table{};
  std::uint64_t next{}; // the table's address, or the block's
};
std::optional<Overlooked> overlooked(const Situation& s, std::uint64_t ipa) {
  const auto shape = stage2_shape(s);
  if (!shape || shape->tables == 0 || ipa >> shape->input_bits != 0) {
    return std::nullopt;
  }
  const unsigned size = arch::effective_output_bits(model::identity(s.features), ste(s).get(Ste::S2PS));
  const arch::Granule g = shape->granule;
  std::uint64_t table = shape->root;
  for (int level = shape->start; level < arch::last_level; ++level) {
    const std::uint64_t index =
        level == shape->start ? ipa >> arch::level_shift(g, level) : arch::level_index(g, level, ipa);
    const std::uint64_t d = s.word(table + 8 * index);
    if (arch::descriptor_type(d) == arch::DescriptorType::block &&
        !arch::leaf_allowed(g, level, arch::AddressBits::a48)) {
      return Overlooked{d, level, false, arch::leaf_address(g, level, arch::AddressBits::a48, d)};
    }
    if (arch::descriptor_type(d) != arch::DescriptorType::table_or_page) {
      return std::nullopt;
    }
    table = arch::table_address(g, arch::AddressBits::a48, d);
    if (table >> size != 0) {
      return Overlooked{d, level, true, table + 8ULL * arch::level_index(g, level + 1, ipa)};
    }
  }
  return std::nullopt;
}

// QEMU's way on from there, of a transaction that is about this IPA alone.
void go_on(Situation& s, const Overlooked& o, std::uint64_t ipa, bool write, Answer& answer) {
  const Ste e = ste(s);
  Event record = event(s, EventType::F_WALK_EABT).set(Event::S2, 1).set(Event::RnW, !write).set(Event::InputAddr, ipa);
  answer.seen = {};
  answer.pa.reset();
  answer.outcome.event = EventType::F_WALK_EABT;
  answer.fetches.push_back({o.next, 0});
  if (o.table) {
    s.unknowable = s.unknowable || !area::is_hole(o.next);
    answer.seen = only(record.set(Event::FetchAddr, o.next & Event::FetchAddr.mask));
    return;
  }
  const auto refuse = [&](EventType type) {
    answer.outcome.event = type;
    record.set(Event::Type, type).set(Event::IPA, ipa & Event::IPA.mask);
    answer.seen = e.get(Ste::S2R) != 0 ? only(record) : nothing();
  };
  arch::S2Leaf leaf;
  leaf.w[0] = o.descriptor;
  const auto ap = static_cast<unsigned>(leaf.get(arch::S2Leaf::S2AP));
  if (leaf.get(arch::S2Leaf::AF) == 0 && e.get(Ste::S2AFFD) == 0) {
    return refuse(EventType::F_ACCESS);
  }
  if ((ap & (write ? 2U : 1U)) == 0) {
    return refuse(EventType::F_PERMISSION);
  }
  if (o.next >> arch::effective_output_bits(model::identity(s.features), e.get(Ste::S2PS)) != 0) {
    return refuse(EventType::F_ADDR_SIZE);
  }
  const std::uint64_t size = arch::level_size(stage2_shape(s)->granule, o.level);
  answer.pa = o.next | (ipa & (size - 1));
  answer.outcome.event.reset();
  if (area::is_ram(*answer.pa)) {
    if (write) {
      answer.seen.landed = answer.pa;
    } else {
      answer.seen.value = s.ram.get32(*answer.pa);
    }
  } else {
    s.unknowable = s.unknowable || !area::is_hole(*answer.pa);
  }
}

// The IPA that a stage 2 fault of the model's is about.
std::optional<std::uint64_t> faulting_ipa(const Situation& s, const Event& e) {
  const std::uint64_t page = e.get(Event::IPA);
  switch (e.get(Event::CLASS)) {
  case arch::EventClass::cd:
    return page | (ste(s).get(Ste::S1ContextPtr) & 0xfff);
  case arch::EventClass::in:
    return page | (s.c.iova & 0xfff);
  default:
    return std::nullopt;
  }
}

bool goes_on(Situation& s, EventType type, bool table) {
  const auto record = is(s, type) ? record_of(s) : std::nullopt;
  const auto ipa = record && record->get(Event::S2) != 0 ? faulting_ipa(s, *record) : std::nullopt;
  const auto o = ipa ? overlooked(s, *ipa) : std::nullopt;
  if (!o || o->table != table) {
    return false;
  }
  const auto why = record->get(Event::CLASS);
  if (why == arch::EventClass::cd && !table) {
    s.unknowable = true; // a CD elsewhere
    s.instead = nothing();
    return true;
  }
  Answer answer;
  go_on(s, *o, *ipa, s.c.write, answer);
  s.instead = answer.seen;
  for (Event& e : s.instead->events) {
    e.set(Event::InputAddr, s.c.iova).set(Event::CLASS, why);
  }
  return true;
}

} // namespace

Answer through_stage2(Situation& s, std::uint64_t ipa, bool write) {
  Case alone = s.c;
  alone.iova = ipa;
  alone.write = write;
  Overlay overlay = s.overlay;
  overlay[s.ste_at] = ste(s).with(Ste::Config, arch::SteConfig::stage2).w[0];
  Answer answer = s.ours.run(alone, overlay);
  if (answer.outcome.event == EventType::F_ADDR_SIZE || answer.outcome.event == EventType::F_TRANSLATION) {
    if (const auto o = overlooked(s, ipa)) {
      go_on(s, *o, ipa, write, answer);
    }
  }
  return answer;
}

namespace {
bool is_structure(const Case& c, std::uint64_t at) {
  return (at & ~63ULL) == c.ste_at || (c.cd_at != 0 && (at & ~63ULL) == c.cd_at) || at == c.l1std_at;
}
} // namespace

bool concatenation(Situation& s) {
  const auto shape = stage2_shape(s);
  if (!read_ste(s) || !shape || shape->tables < 2) {
    return false;
  }
  // The first table stands for all.
  const std::uint64_t one = arch::granule_size(shape->granule);
  if (!area::is_ram(shape->root) || !area::is_ram(shape->root + shape->bytes)) {
    if (!is(s, EventType::F_WALK_EABT) || s.answer.seen.events.size() != 1) {
      return false;
    }
    Seen seen = s.answer.seen;
    Event& e = seen.events[0];
    e.set(Event::FetchAddr, shape->root + ((e.get(Event::FetchAddr) - shape->root) & (one - 1)));
    s.instead = seen;
    return true;
  }
  for (std::uint64_t at = shape->root + one; at < shape->root + shape->bytes; at += 8) {
    const std::uint64_t first = s.word(shape->root + ((at - shape->root) & (one - 1)));
    if (s.word(at) != first && !is_structure(s.c, at)) {
      s.overlay[at] = first;
    }
  }
  return true;
}

bool s2ptw(Situation& s) {
  if (!read_ste(s) || !nested(s) || ste(s).get(Ste::S2PTW) == 0 || !is(s, EventType::F_PERMISSION)) {
    return false;
  }
  s.pretend(s.ste_at, ste(s).set(Ste::S2PTW, 0));
  return true;
}

bool stage2_tables(Situation& s) { return read_ste(s) && goes_on(s, EventType::F_ADDR_SIZE, true); }
bool stage2_block_level(Situation& s) { return read_ste(s) && goes_on(s, EventType::F_TRANSLATION, false); }

namespace {

// The SMMU's own read of an IPA for a table faults: as a record of the transaction's.
Event fault_of(const Situation& s, const Answer& behind, std::uint64_t ipa) {
  const auto type = behind.outcome.event.value_or(EventType::F_TRANSLATION);
  Event e = event(s, type, arch::EventClass::ttd);
  if (type == EventType::F_WALK_EABT) {
    const Event& own = behind.seen.events[0];
    return e.set(Event::S2, 1).set(Event::FetchAddr, own.get(Event::FetchAddr));
  }
  return e.set(Event::IPA, ipa & Event::IPA.mask);
}

// TTBs are translated when the CD is read, the lower half's first.
bool ttb_faults(Situation& s, std::uint64_t ttb) {
  const Answer behind = through_stage2(s, ttb & ~0xfULL, false);
  if (behind.translated()) {
    return false;
  }
  Event e = fault_of(s, behind, ttb).set(Event::RnW, 1).set(Event::S2, 1);
  const bool abort = e.get(Event::Type) == EventType::F_WALK_EABT;
  e.w[3] |= abort ? 0 : ttb & 0xff0;
  s.instead = abort || ste(s).get(Ste::S2R) != 0 ? only(e) : nothing();
  return true;
}

} // namespace

bool both_ttbs(Situation& s) {
  if (s.c.cd_at == 0 || !nested(s) || (!read_cd(s) && !is(s, EventType::C_BAD_CD))) {
    return false;
  }
  const Cd c = cd(s);
  const bool low = c.get(Cd::EPD0) == 0;
  const bool high = c.get(Cd::EPD1) == 0;
  if (is(s, EventType::C_BAD_CD)) {
    // The lower half may fault before the upper one is found to be wrong.
    Overlay overlay = s.overlay;
    overlay[s.c.cd_at] = cd(s).set(Cd::EPD1, 1).w[0];
    const bool lower_good = s.ours.run(s.c, overlay).outcome.event != EventType::C_BAD_CD;
    return low && high && lower_good && ttb_faults(s, c.get(Cd::TTB0));
  }
  return (low && ttb_faults(s, c.get(Cd::TTB0))) || (high && ttb_faults(s, c.get(Cd::TTB1)));
}

bool table_base(Situation& s) {
  const auto h = half(s);
  if (!read_cd(s) || !nested(s) || !h) {
    return false;
  }
  const std::uint64_t first = arch::first_table_bytes(h->granule, h->start, h->input_bits);
  std::uint64_t base = h->ttb & ~(first - 1);
  std::vector<std::uint64_t> tables;
  bool differs = false;
  for (int level = h->start;; ++level) {
    const unsigned shift = arch::level_shift(h->granule, level);
    const std::uint64_t offset =
        8 * (level == h->start ? h->input >> shift : arch::level_index(h->granule, level, h->input));
    const Answer behind = through_stage2(s, base, false);
    const Answer exact = through_stage2(s, base + offset, false);
    if (!behind.translated()) {
      const Event e = fault_of(s, behind, base);
      const bool recorded = cd(s).get(Cd::R) != 0 || e.get(Event::Type) == EventType::F_WALK_EABT;
      s.instead = recorded ? only(e) : nothing();
      return true;
    }
    const std::uint64_t at = *behind.pa + offset;
    differs = differs || !exact.translated() || *exact.pa != at;
    const std::uint64_t d = s.word(at);
    const auto type = arch::descriptor_type(d);
    if (type == arch::DescriptorType::table_or_page && level < arch::last_level) {
      base = arch::table_address(h->granule, arch::AddressBits::a48, d);
      tables.push_back(d);
      if (base >> arch::effective_output_bits(model::identity(s.features), cd(s).get(Cd::IPS)) != 0) {
        return false; // table_range
      }
      continue;
    }
    if (!differs) {
      return false;
    }
    if (type != (level < arch::last_level ? arch::DescriptorType::block : arch::DescriptorType::table_or_page)) {
      s.instead = cd(s).get(Cd::R) != 0 ? only(event(s, EventType::F_TRANSLATION)) : nothing();
      return true;
    }
    take_leaf(s, d, arch::take_address(h->granule, shift, arch::AddressBits::a48, d), shift, tables, true);
    return true;
  }
}

} // namespace sluice::differential::quirk

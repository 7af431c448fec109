#include <sluice/differential/quirks.hpp>

#include <sluice/arch/descriptors.hpp>

#include <algorithm>
#include <optional>
#include <vector>

namespace sluice::differential::quirk {

using arch::Cd;
using arch::EventType;
using arch::S1Leaf;
using arch::S1Table;

namespace {

// The descriptor of stage 1 at which the model's walk ended, and those before it.
struct End {
  std::uint64_t descriptor{};
  int level{};
  Stage1Half half{};
  std::vector<std::uint64_t> tables;

  unsigned shift() const { return arch::level_shift(half.granule, level); }
  std::uint64_t base() const { return arch::take_address(half.granule, shift(), arch::AddressBits::a48, descriptor); }
  arch::DescriptorType type() const { return arch::descriptor_type(descriptor); }
  bool is_table() const { return type() == arch::DescriptorType::table_or_page && level < arch::last_level; }
  bool is_block() const { return type() == arch::DescriptorType::block && level < arch::last_level; }
};
std::optional<End> end_of_stage1(const Situation& s) {
  const auto h = half(s);
  if (!read_cd(s) || !h || s.answer.fetches.empty()) {
    return std::nullopt;
  }
  End end{0, h->start, *h, {}};
  std::uint64_t table = h->ttb & ~(arch::first_table_bytes(h->granule, h->start, h->input_bits) - 1);
  for (;; ++end.level) {
    const std::uint64_t index =
        end.level == h->start ? h->input >> end.shift() : arch::level_index(h->granule, end.level, h->input);
    // Nested, the table's PA is `delta` below, as cases are made.
    const std::uint64_t delta = ste(s).get(arch::Ste::Config) == arch::SteConfig::nested ? s.c.delta : 0;
    end.descriptor = s.word(table + 8 * index - delta);
    if (!end.is_table()) {
      return end;
    }
    const std::uint64_t next = arch::table_address(h->granule, arch::AddressBits::a48, end.descriptor);
    if (!area::is_ram(next - delta)) {
      return end;
    }
    end.tables.push_back(end.descriptor);
    table = next;
  }
}

bool at_stage1(Situation& s, EventType type) {
  const auto record = is(s, type) ? record_of(s) : std::nullopt;
  return record && record->get(arch::Event::S2) == 0;
}

} // namespace

bool access_flag(Situation& s) {
  if (!at_stage1(s, EventType::F_ACCESS)) {
    return false;
  }
  s.pretend(s.c.cd_at, cd(s).set(Cd::AFFD, 1));
  return true;
}

bool unprivileged(Situation& s) {
  if (!at_stage1(s, EventType::F_PERMISSION) || !read_cd(s)) {
    return false;
  }
  bool changed = false;
  for (const std::uint64_t at : s.c.path1.descriptors) {
    const std::uint64_t d = s.word(at);
    const bool table = at != s.c.path1.leaf() && arch::descriptor_type(d) == arch::DescriptorType::table_or_page;
    const std::uint64_t as_if = table ? d & ~S1Table::APTable.put(1) : d | (1ULL << S1Leaf::AP.shift);
    changed = changed || as_if != d;
    s.overlay[at] = as_if;
  }
  return changed;
}

bool table_permission(Situation& s) {
  const auto end = end_of_stage1(s);
  if (!end || !s.c.write || at_stage1(s, EventType::F_PERMISSION)) {
    return false;
  }
  const Cd c = cd(s);
  const bool hierarchy = ((s.c.iova >> 55 & 1) != 0 ? c.get(Cd::HAD1) : c.get(Cd::HAD0)) == 0;
  std::vector<std::uint64_t> tables = end->tables;
  if (end->is_table()) {
    tables.push_back(end->descriptor);
  }
  const auto forbids = [](std::uint64_t d) { return (S1Table::APTable.take(d) & 2) != 0; };
  if (!hierarchy || std::none_of(tables.begin(), tables.end(), forbids)) {
    return false;
  }
  s.instead = c.get(Cd::R) != 0 ? only(event(s, EventType::F_PERMISSION)) : nothing();
  return true;
}

bool block_level(Situation& s) {
  const auto end = end_of_stage1(s);
  if (!end || !at_stage1(s, EventType::F_TRANSLATION) || !end->is_block() ||
      arch::leaf_allowed(end->half.granule, end->level, arch::AddressBits::a48)) {
    return false;
  }
  take_leaf(s, end->descriptor, end->base(), end->shift(), end->tables, s.version == Version::qemu11);
  return true;
}

bool table_range(Situation& s) {
  const auto end = end_of_stage1(s);
  if (!end || !at_stage1(s, EventType::F_ADDR_SIZE) || !end->is_table()) {
    return false;
  }
  const arch::Granule g = end->half.granule;
  const std::uint64_t table = arch::table_address(g, arch::AddressBits::a48, end->descriptor);
  if (ste(s).get(arch::Ste::Config) == arch::SteConfig::nested) {
    // Checked as the input of stage 2, and recorded like that.
    const auto fault = event(s, EventType::F_ADDR_SIZE, arch::EventClass::ttd);
    const bool recorded = cd(s).get(Cd::R) != 0;
    s.instead = recorded ? only(fault.with(arch::Event::IPA, table & arch::Event::IPA.mask)) : nothing();
    return true;
  }
  const std::uint64_t at = table + 8ULL * arch::level_index(g, end->level + 1, end->half.input);
  s.unknowable = s.unknowable || !area::is_hole(at);
  s.instead = only(event(s, EventType::F_WALK_EABT, arch::EventClass::ttd)
                       .set(arch::Event::FetchAddr, at & arch::Event::FetchAddr.mask));
  return true;
}

bool leaf_range(Situation& s) {
  const auto end = end_of_stage1(s);
  if (!end || !at_stage1(s, EventType::F_ADDR_SIZE) || end->is_table()) {
    return false;
  }
  take_leaf(s, end->descriptor, end->base(), end->shift(), end->tables, false);
  return true;
}

bool leaf_order(Situation& s) {
  const auto end = end_of_stage1(s);
  if (!end || !at_stage1(s, EventType::F_ADDR_SIZE) || end->is_table()) {
    return false;
  }
  const Seen before = s.answer.seen;
  take_leaf(s, end->descriptor, end->base(), end->shift(), end->tables, true);
  if (s.instead == before) {
    s.instead.reset();
    return false;
  }
  return true;
}

} // namespace sluice::differential::quirk

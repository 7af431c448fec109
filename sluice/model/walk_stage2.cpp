#include <sluice/arch/descriptors.hpp>
#include <sluice/model/faults.hpp>
#include <sluice/model/permissions.hpp>
#include <sluice/model/walker.hpp>

namespace sluice::model {

namespace {

// 3.13.3, D8.5.3: a write would only have to say so in S2AP[1].
bool writable_clean(const arch::S2Leaf& entry, const Stage2& s2) {
  return s2.dirty && entry.get(arch::S2Leaf::DBM) != 0 &&
         (static_cast<unsigned>(entry.get(arch::S2Leaf::S2AP)) & 2) == 0;
}

} // namespace

// A single-copy atomic update of a descriptor that is still as it was read.
Walker::Done Walker::update(std::uint64_t pa, const Attributes& attributes, std::uint64_t old, std::uint64_t now) {
  if (!updates_ || now == old) {
    return Done::yes;
  }
  std::uint64_t found = old;
  if (!bus_.compare_exchange64(pa, attributes, found, now)) {
    return Done::no;
  }
  return found == old ? Done::yes : Done::changed;
}

// 3.13: sets what the access sets, in memory and in `descriptor`.
Walker::Done Walker::stage2_leaf(const Stage2& s2, std::uint64_t at, std::uint64_t& descriptor, bool write) {
  arch::S2Leaf entry;
  entry.w[0] = descriptor;
  if (write && writable_clean(entry, s2)) {
    entry.set(arch::S2Leaf::S2AP, static_cast<arch::S2Ap>(static_cast<unsigned>(entry.get(arch::S2Leaf::S2AP)) | 2));
  }
  if (s2.access_flag) {
    entry.set(arch::S2Leaf::AF, 1);
  }
  const Done done = update(at, s2.tree.fetch, descriptor, entry.w[0]);
  descriptor = entry.w[0];
  return done;
}

bool Walker::read(std::uint64_t pa, const Attributes& attributes, std::uint64_t& descriptor) {
  ++reads_;
  return bus_.read64(pa, attributes, descriptor);
}

const WalkEntry* Walker::cached_table(std::uint32_t context, std::uint64_t address, const TreeShape& tree) const {
  for (int level = arch::last_level; level > tree.start; --level) {
    if (const auto* e = tlb_.find_walk(context, page_of(address), tree.shift(level - 1))) {
      return e;
    }
  }
  return nullptr;
}

// 7.3.22: the checks of one pass through stage 2, but for the permission of the leaf.
bool Walker::stage2_walk(const Regime& regime, std::uint64_t ipa, arch::EventClass why, bool write, TlbEntry& out,
                         Fault& fault) {
  const Stage2& s2 = regime.s2;
  const TreeShape& tree = s2.tree;
  const arch::Granule g = tree.granule;
  const auto fail = [&](Place place) {
    fault = stage2_fault(place, s2, ipa, why);
    return false;
  };
  // 3.4: input range
  if (ipa > tree.input_mask) {
    return fail(at("stage2.range"));
  }
  int level = tree.start;
  std::uint64_t table = tree.table;
  if (const auto* cached = cached_table(regime.ipa_context, ipa, tree)) {
    level = cached->level;
    table = cached->table;
  }
  for (unsigned attempts = 0;; ++level) {
    const std::uint64_t where = table + tree.offset(level, ipa);
    std::uint64_t d = 0;
    if (!read(where, tree.fetch, d)) {
      fail(at("stage2.read"));
      fault.fetch = where;
      return false;
    }
    const auto type = arch::descriptor_type(d);
    const bool last = level == arch::last_level;
    if (type == arch::DescriptorType::table_or_page && !last) {
      table = arch::table_address(g, tree.address_bits, d);
      if (table > tree.output_mask) {
        return fail(at("stage2.table_size"));
      }
      const unsigned span = tree.shift(level);
      const std::uint64_t first = page_of(ipa) & ~mask_below(span - 12);
      tlb_.insert_walk({TlbEntry::make_tag(regime.ipa_context, first), table, static_cast<std::uint8_t>(span),
                        static_cast<std::uint8_t>(level + 1), 0, g, tree.fetch.mair,
                        static_cast<arch::Shareability>(tree.fetch.shareability)});
      continue;
    }
    if (type != (last ? arch::DescriptorType::table_or_page : arch::DescriptorType::block)) {
      return fail(last && type == arch::DescriptorType::block ? at("stage2.block") : at("stage2.descriptor"));
    }
    if (!arch::leaf_allowed(g, level, tree.address_bits)) {
      return fail(at("stage2.block"));
    }
    const unsigned shift = tree.shift(level);
    const std::uint64_t oa = arch::take_address(g, shift, tree.address_bits, d);
    if (oa > tree.output_mask) {
      return fail(at("stage2.leaf_size"));
    }
    arch::S2Leaf entry;
    entry.w[0] = d;
    if (entry.get(arch::S2Leaf::AF) == 0 && !s2.affd && !s2.access_flag) {
      return fail(at("stage2.access"));
    }
    const Done updated = stage2_leaf(s2, where, entry.w[0], write);
    if (updated == Done::changed && ++attempts < most_attempts) {
      --level; // look again
      continue;
    }
    if (updated != Done::yes) {
      fail(updated == Done::changed ? at("stage2.races") : at("stage2.update"));
      fault.fetch = where;
      return false;
    }
    out = {};
    out.tag = TlbEntry::make_tag(regime.ipa_context, page_of(ipa));
    out.where =
        ((oa | (ipa & mask_below(shift))) & page_bits) | stage2_rights(entry, facts_.features.xnx) << 6 | rights::all;
    out.set_leaf(shift, level, g);
    out.set_type(0, entry.get(arch::S2Leaf::SH), static_cast<unsigned>(entry.get(arch::S2Leaf::MemAttr)));
    out.set_span(shift);
    out.set_clean(writable_clean(entry, s2));
    out.set_transient(!last && entry.get(arch::S2Leaf::nT) != 0 && facts_.features.bbml == 1); // 3.21.1.2
    return true;
  }
}

// 3.17: stage 2 information is shared by all streams of a VMID, and by nested walks.
bool Walker::stage2(const Regime& regime, std::uint64_t ipa, arch::EventClass why, bool write, TlbEntry& out,
                    Fault& fault) {
  if (ipa <= regime.s2.tree.input_mask) {
    if (const auto* hit = tlb_.find(regime.ipa_context, page_of(ipa)); hit != nullptr && !(write && hit->clean())) {
      out = *hit;
      return true;
    }
  }
  if (!stage2_walk(regime, ipa, why, write, out, fault)) {
    return false;
  }
  tlb_.insert(out);
  return true;
}

bool Walker::own_access(const Regime& regime, std::uint64_t ipa, arch::EventClass why, MemoryType type,
                        std::uint64_t& pa, Attributes& result, Fault& fault, bool write) {
  TlbEntry s2;
  if (!stage2(regime, ipa, why, write, s2, fault)) {
    return false;
  }
  // 13.4.3: a data access, whatever the transaction is. S2PTW: not through Device memory.
  const MemoryType combined =
      combine({arch::mair::normal_wb_ra_wa, arch::Shareability::non_shareable}, s2.memattr(), s2.sh(), regime.s2.fwb);
  const unsigned wanted = rights::wanted(write, false, true);
  const bool permitted = (s2.stage2() >> wanted & 1) != 0;
  if (!permitted || (regime.s2.ptw && is_device(combined.mair))) {
    const Place place = permitted ? at("stage2.ptw") : write ? at("stage2.write") : at("stage2.fetch");
    fault = stage2_fault(place, regime.s2, ipa, why);
    fault.ttd_write = write;
    return false;
  }
  pa = s2.pa() | (ipa & 0xfff);
  MemoryType through = combine(type, s2.memattr(), s2.sh(), regime.s2.fwb);
  if (is_device(combined.mair) && regime.s2.ptwnnc) {
    through.mair = arch::mair::normal_nc; // 5.2 S2PTW 0: as it is, or Non-cacheable with PTWNNC
  }
  result = attributes(through, false, true);
  return true;
}

// 7.3.16: the stage whose leaf forbids the access, stage 1 first.
Fault Walker::permission_fault(const Regime& regime, const TlbEntry& entry, std::uint64_t address, unsigned wanted) {
  if ((entry.stage1() >> wanted & 1) == 0) {
    // 5.4 E0PDx: the range is not there for an unprivileged access.
    const Half& half = regime.s1.half[two_halves(regime.s1.world) ? address >> 55 & 1 : 0];
    const bool hidden = half.privileged_only && wanted < rights::privileged;
    return stage1_fault(hidden ? at("stage1.e0pd") : at("stage1.permission"), regime.s1);
  }
  const std::uint64_t ipa = regime.stage1 ? entry.ipa_page() | (address & 0xfff) : address;
  return stage2_fault(at("stage2.permission"), regime.s2, ipa, arch::EventClass::in);
}

} // namespace sluice::model

#include <sluice/arch/descriptors.hpp>
#include <sluice/model/faults.hpp>
#include <sluice/model/permissions.hpp>
#include <sluice/model/walker.hpp>

namespace sluice::model {

namespace {

// 3.4.1: the bits above the half's range repeat its selector; the top byte does not count with TBI.
bool in_range(const Half& half, std::uint64_t va) {
  const std::uint64_t top = (half.ignore_top ? mask_below(56) : ~0ULL) & ~half.tree.input_mask;
  const bool high = (va >> 55 & 1) != 0;
  return (va & top) == (high ? top : 0);
}

// 7.3.12: of a stage 1 descriptor
Fault walk_abort(Place place, std::uint64_t fetch) {
  Fault f = Fault::of(place);
  f.event_class = arch::EventClass::ttd;
  f.fetch = fetch;
  return f;
}

} // namespace

struct Walker::Leaf1 {
  std::uint64_t oa{};
  unsigned shift{};
  int level{};
  arch::Granule granule{};
  std::uint64_t rights{};
  MemoryType type{};
  bool global{};
  bool clean{}; // 3.13.3: a write needs the dirty state set, and has `rights_dirty` then
  bool transient{};
  std::uint64_t rights_dirty{};
  std::uint64_t descriptor{}; // as it was read
  std::uint64_t at{}, at_ipa{};
  Attributes attributes{};
  MemoryType table_type{};
  bool by_cache{}; // its table's IPA is not known
};

bool Walker::stage1_leaf(const Stage1& s1, const Half& half, std::uint64_t va, int level, std::uint64_t descriptor,
                         unsigned taken, Leaf1& leaf, Fault& fault) {
  using arch::S1Leaf;
  const TreeShape& tree = half.tree;
  leaf.shift = tree.shift(level);
  leaf.level = level;
  leaf.granule = tree.granule;
  leaf.oa = arch::take_address(tree.granule, leaf.shift, tree.address_bits, descriptor);
  if (leaf.oa > tree.output_mask) {
    fault = stage1_fault(at("stage1.leaf_size"), s1);
    return false;
  }
  leaf.oa |= va & mask_below(leaf.shift);
  S1Leaf entry;
  entry.w[0] = descriptor;
  if (entry.get(S1Leaf::AF) == 0 && !s1.affd && !s1.access_flag) {
    fault = stage1_fault(at("stage1.access"), s1);
    return false;
  }
  leaf.descriptor = descriptor;
  leaf.transient = level != arch::last_level && entry.get(S1Leaf::nT) != 0 && facts_.features.bbml == 1; // 3.21.1.2
  // D8.5.3: with HD, DBM makes a page writable; whether it is executable goes by that.
  const bool clean = s1.dirty && entry.get(S1Leaf::DBM) != 0 && arch::read_only(entry.get(S1Leaf::AP));
  if (clean) {
    entry.set(S1Leaf::AP, static_cast<arch::Ap>(static_cast<unsigned>(entry.get(S1Leaf::AP)) & 1));
  }
  leaf.rights = stage1_rights(entry, half.ignore_hierarchy ? 0 : taken, s1);
  if (half.privileged_only) {
    leaf.rights &= ~rights::unprivileged;
  }
  leaf.rights_dirty = leaf.rights;
  leaf.clean = clean && (leaf.rights & rights::writes) != 0; // not where APTable forbids
  leaf.rights = clean ? leaf.rights & ~rights::writes : leaf.rights;
  const auto mair = static_cast<std::uint8_t>(s1.mair >> (8 * entry.get(S1Leaf::AttrIndx)));
  leaf.type = normalised({defined_mair(mair), entry.get(S1Leaf::SH)});
  leaf.global = entry.get(S1Leaf::nG) == 0 && two_halves(s1.world);
  return true;
}

// 7.3.22, 3.4.1: stage 1 of a translation, each of its own fetches through stage 2 where there is one.
bool Walker::stage1(const Regime& regime, std::uint64_t va, unsigned wanted, bool cached_tables, Leaf1& leaf,
                    Fault& fault) {
  const Stage1& s1 = regime.s1;
  const auto fail = [&](Place place) {
    fault = stage1_fault(place, s1);
    return false;
  };
  // NS-EL2 has one range: an address with bit 55 is in none.
  const Half& half = s1.half[two_halves(s1.world) ? va >> 55 & 1 : 0];
  if (half.disabled) {
    return fail(at("stage1.epd"));
  }
  if (!in_range(half, va) || (!two_halves(s1.world) && (va >> 55 & 1) != 0)) {
    return fail(at("stage1.range"));
  }
  if (half.privileged_only && wanted < rights::privileged) {
    return fail(at("stage1.e0pd"));
  }

  const TreeShape& tree = half.tree;
  leaf.table_type = tree.type;
  const arch::Granule g = tree.granule;
  int level = tree.start;
  std::uint64_t table = tree.table;
  unsigned taken = 0;
  bool table_is_pa = !regime.stage2;
  bool known = true; // the first table, or one from the cache
  Attributes attr = tree.fetch;
  if (const auto* cached = cached_tables ? cached_table(regime.context, va, tree) : nullptr) {
    level = cached->level;
    table = cached->table;
    taken = cached->hierarchy;
    table_is_pa = true;
    attr = attributes({cached->mair, cached->sh}, false, true);
  }
  const auto remember = [&](std::uint64_t table_pa) { // 3.17: as VA information, whatever stages it went through
    const unsigned span = tree.shift(level - 1);
    const std::uint64_t first = page_of(va) & ~mask_below(span - 12);
    tlb_.insert_walk({TlbEntry::make_tag(regime.context, first), table_pa, static_cast<std::uint8_t>(span),
                      static_cast<std::uint8_t>(level), static_cast<std::uint8_t>(taken), g, attr.mair,
                      static_cast<arch::Shareability>(attr.shareability)});
  };

  for (;; ++level, table_is_pa = !regime.stage2, known = false) {
    std::uint64_t pa = table + tree.offset(level, va & tree.input_mask);
    leaf.at_ipa = pa;
    leaf.by_cache = table_is_pa;
    if (!table_is_pa) {
      const std::uint64_t ipa = pa;
      if (!own_access(regime, ipa, arch::EventClass::ttd, tree.type, pa, attr, fault)) {
        return false;
      }
      // A table may lie in several stage 2 pages; only one that does not has one PA to remember.
      if (!known && g == arch::Granule::k4) {
        remember(pa & ~std::uint64_t{0xfff});
      }
    } else if (!known) {
      remember(table);
    }
    leaf.at = pa;
    leaf.attributes = attr;
    std::uint64_t d = 0;
    if (!read(pa, attr, d)) {
      fault = walk_abort(at("stage1.read"), pa);
      return false;
    }
    const auto type = arch::descriptor_type(d);
    const bool last = level == arch::last_level;
    if (type == arch::DescriptorType::table_or_page && !last) {
      table = arch::table_address(g, tree.address_bits, d);
      if (table > tree.output_mask) {
        return fail(at("stage1.table_size"));
      }
      arch::S1Table entry;
      entry.w[0] = d;
      taken |= hierarchy::of(entry);
      continue;
    }
    if (type != (last ? arch::DescriptorType::table_or_page : arch::DescriptorType::block)) {
      return fail(last && type == arch::DescriptorType::block ? at("stage1.block") : at("stage1.descriptor"));
    }
    return arch::leaf_allowed(g, level, tree.address_bits) ? stage1_leaf(s1, half, va, level, d, taken, leaf, fault)
                                                           : fail(at("stage1.block"));
  }
}

// 3.13: what an access sets in the stage 1 leaf: the access flag, and for a write that is permitted the dirty state.
// The update goes through stage 2 as a write of its own.
Walker::Done Walker::update_stage1(const Regime& regime, Leaf1& leaf, unsigned wanted, bool permitted, Fault& fault) {
  using arch::S1Leaf;
  S1Leaf entry;
  entry.w[0] = leaf.descriptor;
  if (regime.s1.access_flag) {
    entry.set(S1Leaf::AF, 1);
  }
  const bool write = (rights::writes >> wanted & 1) != 0;
  if (leaf.clean && write && permitted) {
    entry.set(S1Leaf::AP, static_cast<arch::Ap>(static_cast<unsigned>(entry.get(S1Leaf::AP)) & 1));
    leaf.rights = leaf.rights_dirty;
    leaf.clean = false;
  }
  if (entry.w[0] == leaf.descriptor) {
    return Done::yes;
  }
  if (regime.stage2) {
    if (leaf.by_cache) {
      return Done::changed; // a walk without the cache finds out its IPA
    }
    if (!own_access(regime, leaf.at_ipa, arch::EventClass::ttd, leaf.table_type, leaf.at, leaf.attributes, fault,
                    true)) {
      return Done::no;
    }
  }
  const Done done = update(leaf.at, leaf.attributes, leaf.descriptor, entry.w[0]);
  if (done == Done::no) {
    fault = walk_abort(at("stage1.update"), leaf.at);
  }
  return done;
}

Walker::Done Walker::both_stages(const Regime& regime, std::uint64_t address, unsigned wanted, TlbEntry& out,
                                 bool cached_tables, Leaf1& leaf, Fault& fault) {
  leaf = {};
  if (!stage1(regime, address, wanted, cached_tables, leaf, fault)) {
    return Done::no;
  }
  bool permitted = (leaf.rights_dirty >> wanted & 1) != 0;
  TlbEntry s2;
  if (regime.stage2) {
    // Stage 1's own permission comes before stage 2 of its output.
    if (!permitted) {
      fault = stage1_fault(at("stage1.permission"), regime.s1);
      return Done::no;
    }
    if (!stage2(regime, leaf.oa, arch::EventClass::in, (rights::writes >> wanted & 1) != 0, s2, fault)) {
      return Done::no;
    }
    permitted = (s2.stage2() >> wanted & 1) != 0;
  }
  // D8.5 I_CVNQR, R_LXCKP: also where stage 2 does not permit the access; of two faults of stage 2 this is reported.
  if (const Done updated = update_stage1(regime, leaf, wanted, permitted, fault); updated != Done::yes) {
    return updated;
  }
  out = {};
  out.tag = TlbEntry::make_tag(leaf.global ? regime.global_context : regime.context, page_of(address));
  out.ipa = leaf.oa & page_bits;
  out.set_leaf(leaf.shift, leaf.level, leaf.granule);
  if (regime.stage2) {
    const MemoryType type = combine(leaf.type, s2.memattr(), s2.sh(), regime.s2.fwb);
    out.where = s2.pa() | leaf.rights | s2.stage2() << 6;
    out.set_type(type.mair, type.sh, newly_cacheable(leaf.type.mair, s2.memattr(), regime.s2.fwb));
  } else {
    out.where = (leaf.oa & page_bits) | leaf.rights | rights::all << 6;
    out.set_type(leaf.type.mair, leaf.type.sh, 0);
  }
  out.set_span(regime.stage2 && s2.span_log2() < leaf.shift ? s2.span_log2() : leaf.shift);
  out.set_transient(leaf.transient || (regime.stage2 && s2.transient()));
  out.set_clean(leaf.clean || (regime.stage2 && s2.clean()));
  return Done::yes;
}

bool Walker::translate(const Regime& regime, std::uint64_t address, unsigned wanted, TlbEntry& out, Fault& fault) {
  if (!regime.stage1) {
    return stage2(regime, address, arch::EventClass::in, (rights::writes >> wanted & 1) != 0, out, fault);
  }
  Leaf1 leaf;
  Done done = Done::changed;
  for (unsigned attempt = 0; done == Done::changed && attempt < most_attempts; ++attempt) {
    done = both_stages(regime, address, wanted, out, attempt == 0, leaf, fault);
  }
  if (done != Done::yes) {
    if (done == Done::changed) {
      fault = walk_abort(at("stage1.races"), leaf.at);
    }
    return false;
  }
  if (leaf.global) {
    tlb_.insert_global(out);
  } else {
    tlb_.insert(out);
  }
  return true;
}

} // namespace sluice::model

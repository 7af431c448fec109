#include <sluice/driver/invalidation.hpp>

#include <sluice/arch/geometry.hpp>

#include <bit>

namespace sluice::driver {

using namespace arch;
using GatherRange = pagetable::Gather::Range;
using pagetable::Stage;

Command invalidate_all(Tag tag) {
  if (tag.stage == Stage::two) {
    return cmd::tlbi_s12_vmall(tag.id);
  }
  return tag.el2 ? cmd::tlbi_el2_asid(tag.id) : cmd::tlbi_nh_asid(0, tag.id);
}

// 4.4: of a VMID, TLBI_S12_VMALL takes both stages' translations and what is cached of walks.
Invalidation::Invalidation(Tag tag) : count_{1} { commands_[0] = invalidate_all(tag); }

Invalidation::Invalidation(const pagetable::Gather& gather, Tag tag, Granule granule, bool ranges)
    : by_address_{true}, by_range_{ranges} {
  for (const GatherRange& range : gather.ranges()) {
    if (!(ranges ? add_range(range, tag, granule) : add_page(range, tag))) {
      commands_[0] = invalidate_all(tag);
      count_ = 1;
      by_address_ = by_range_ = false;
      return;
    }
  }
  if (tag.nests && count_ != 0) {
    add_nested(tag);
  }
}

// 4.4: TLBI_S2_IPA need not remove translations of both stages, and only a CMD_SYNC keeps a walk that began before it
// from making more of them.
void Invalidation::add_nested(Tag tag) {
  commands_[count_++] = cmd::sync();
  syncs_ = 1;
  commands_[count_++] = cmd::tlbi_nh_all(tag.id);
}

bool Invalidation::add(Tag tag, std::uint64_t address, bool leaf, Range hint) {
  if (count_ == max_invalidations) {
    return false;
  }
  commands_[count_++] = tag.stage == Stage::two ? cmd::tlbi_s2_ipa(tag.id, address, leaf, hint)
                        : tag.el2               ? cmd::tlbi_el2_va(tag.id, address, leaf, hint)
                                                : cmd::tlbi_nh_va(0, tag.id, address, leaf, hint);
  return true;
}

// One for each leaf.
bool Invalidation::add_page(const GatherRange& range, Tag tag) {
  if (range.size >> range.leaf_bits > max_invalidations) {
    return false;
  }
  for (std::uint64_t done = 0; done < range.size; done += 1ULL << range.leaf_bits) {
    if (!add(tag, range.iova + done, !range.tables, {})) {
      return false;
    }
  }
  return true;
}

// One for each range: 4.4.1.1 covers (NUM+1) * 2^SCALE granules, and NUM has 5 bits; a length that does not fit is
// rounded up, by at most a sixteenth.
bool Invalidation::add_range(const GatherRange& range, Tag tag, Granule granule) {
  const unsigned bits = granule_bits(granule);
  const std::uint64_t pages = (range.size + granule_size(granule) - 1) >> bits;
  const auto width = static_cast<unsigned>(std::bit_width(pages - 1));
  const unsigned scale = width > 5 ? width - 5 : 0;
  if (scale > 31) {
    return false;
  }
  const auto num = ((pages - 1) >> scale) & 0x1f;
  const int level = static_cast<int>(range.ttl());
  Range hint{static_cast<std::uint8_t>(num), static_cast<std::uint8_t>(scale), tlbi_tg(granule),
             level == 0 ? std::uint8_t{0} : ttl_of(granule, level, AddressBits::a48)};
  if (hint.NUM == 0 && hint.SCALE == 0 && hint.TTL == 0) {
    hint = {}; // 4.4.1.1: reserved with a granule, and the same without
  }
  return add(tag, range.iova, !range.tables, hint);
}

} // namespace sluice::driver

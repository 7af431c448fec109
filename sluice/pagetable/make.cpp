#include <sluice/arch/stage2_geometry.hpp>
#include <sluice/pagetable/format.hpp>
#include <sluice/pagetable/grave.hpp>
#include <sluice/pagetable/page_table.hpp>
#include <sluice/pagetable/shape.hpp>

namespace sluice::pagetable {

namespace {

base::Result<arch::AddressSize> address_size(unsigned bits) {
  switch (bits) {
  case 32:
    return arch::AddressSize::bits32;
  case 36:
    return arch::AddressSize::bits36;
  case 40:
    return arch::AddressSize::bits40;
  case 42:
    return arch::AddressSize::bits42;
  case 44:
    return arch::AddressSize::bits44;
  case 48:
    return arch::AddressSize::bits48;
  case 52:
    return arch::AddressSize::bits52;
  default:
    return base::Errc::invalid_argument;
  }
}

// Without DS, which is not used, only descriptors of 64K pages hold more than 48 address bits.
unsigned max_bits(arch::Granule granule) { return granule == arch::Granule::k64 ? 52 : 48; }

// Stage 2 concatenates first tables where that saves a level, but not to start at level 3, which has no blocks.
int start_level(const Config& config) {
  const int single = arch::start_level(config.granule, config.input_bits);
  if (config.stage == Stage::one) {
    return single;
  }
  const int deepest = arch::s2_deepest_start(config.granule, 64 - config.input_bits, /*ds=*/false, /*stt=*/false);
  return deepest == arch::last_level ? single : deepest;
}

Fields fields_of(const Config& config, bool coherent, int start) {
  Fields fields;
  fields.T0SZ = 64 - config.input_bits;
  fields.S2SL0 = config.stage == Stage::two ? arch::s2_start_encoding(config.granule, start).SL0 : std::uint8_t{0};
  fields.TG0 = arch::tg0(config.granule);
  fields.S2TG = arch::s2tg(config.granule);
  fields.IR = coherent ? arch::Cacheability::write_back : arch::Cacheability::non_cacheable;
  fields.OR = fields.IR;
  fields.SH = coherent ? arch::Shareability::inner : arch::Shareability::outer;
  fields.MAIR0 = config.stage == Stage::one ? mair0 : 0;
  fields.HA = config.dirty;
  fields.HD = config.dirty;
  fields.S2FWB = config.stage == Stage::two && config.fwb;
  return fields;
}

unsigned largest_block(const Config& config, int start) {
  const auto bits = config.output_bits == 52 ? arch::AddressBits::a52 : arch::AddressBits::a48;
  int level = start;
  while (!arch::leaf_allowed(config.granule, level, bits)) {
    ++level;
  }
  return arch::level_shift(config.granule, level);
}

base::Result<Shape> shape_of(Config config, bool coherent) {
  const unsigned most = max_bits(config.granule);
  const auto ps = address_size(config.output_bits < most ? config.output_bits : most);
  if (!ps || config.output_bits > 52 || config.input_bits > most || config.input_bits < 64 - arch::max_txsz) {
    return base::Errc::invalid_argument;
  }
  if (config.dirty && !coherent) {
    return base::Errc::missing_feature; // 3.13: an atomic update needs cacheable tables
  }
  config.output_bits = config.output_bits < most ? config.output_bits : most;
  const int start = start_level(config);
  Shape shape;
  shape.config = config;
  shape.fields = fields_of(config, coherent, start);
  shape.fields.PS = *ps;
  shape.root_shift = arch::level_shift(config.granule, start);
  shape.block_shift = largest_block(config, start);
  shape.input_end = std::uint64_t{1} << config.input_bits;
  shape.output_end = std::uint64_t{1} << config.output_bits;
  return shape;
}

} // namespace

void PageTable::end(Grave* graves, void (PageTable::*how)(Grave&)) {
  while (graves != nullptr) {
    Grave& grave = *std::exchange(graves, graves->next_grave);
    grave.next_grave = nullptr;
    (this->*how)(grave);
  }
}

void PageTable::absorb(Gather& into, Gather& from) {
  for (const Gather::Range& r : from.ranges()) {
    into.add(r.iova, r.size, r.leaf_bits, r.levels, r.tables);
  }
  into.resized_ += from.resized_;
  from.clear();
  while (Grave* const grave = from.grave_) {
    from.grave_ = grave->next_grave;
    grave->next_grave = into.grave_;
    into.grave_ = grave;
  }
}

base::Result<OwnedPageTable> make(platform::Memory& memory, platform::Sync& sync, const Config& config) {
  const bool coherent = memory.facts().coherent_walks;
  auto shape = shape_of(config, coherent);
  if (!shape) {
    return shape.error();
  }
  // A table is aligned to its size, and to 64 bytes where addresses have 52 bits: 5.4 CD.TTB0, 5.2 STE.S2TTB.
  const std::uint64_t exact = shape->input_end >> shape->root_shift << 3;
  const std::uint64_t size = exact < 64 ? 64 : exact;
  auto root = memory.dma_alloc(size, size);
  if (!root) {
    return root.error();
  }
  if (root->bus + size > shape->output_end) {
    memory.dma_free(*root);
    return base::Errc::output_range;
  }
  if (!coherent) {
    memory.clean(root->cpu, size);
  }
  shape->fields.TTB = root->bus;
  auto table = config.stage == Stage::one ? make_table<StageOne>(memory, sync, *shape, *root)
                                          : make_table<StageTwo>(memory, sync, *shape, *root);
  if (!table) {
    memory.dma_free(*root);
  }
  return table;
}

} // namespace sluice::pagetable

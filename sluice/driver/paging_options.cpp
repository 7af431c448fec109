#include <sluice/driver/paging_options.hpp>

#include <sluice/arch/geometry.hpp>

namespace sluice::driver {

using base::Errc;
using base::Result;
using namespace arch;

namespace {

constexpr unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }

Result<pagetable::Stage> stage_of(const Capabilities& capabilities, iommu::Stage preferred,
                                  const iommu::PagingOptions& options) {
  if ((options.dirty && !capabilities.dirty) || (options.page_requests && !capabilities.pages_wait())) {
    return Errc::unsupported;
  }
  if (options.nest_parent) {
    const bool second = options.stage != iommu::Stage::first && !options.pasid;
    if (!second || !capabilities.stage1 || !capabilities.stage2) {
      return Errc::unsupported;
    }
    return pagetable::Stage::two;
  }
  const iommu::Stage wanted = options.stage != iommu::Stage::any ? options.stage
                              : options.pasid                    ? iommu::Stage::first
                                                                 : preferred;
  if (options.pasid && wanted == iommu::Stage::second) {
    return Errc::unsupported;
  }
  const bool second = wanted == iommu::Stage::second || (wanted == iommu::Stage::any && !capabilities.stage1);
  if (second ? !capabilities.stage2 : !capabilities.stage1) {
    return Errc::unsupported;
  }
  return second ? pagetable::Stage::two : pagetable::Stage::one;
}

Result<Granule> granule_of(const Capabilities& capabilities, std::uint64_t page_sizes) {
  for (const Granule g : {Granule::k4, Granule::k16, Granule::k64}) {
    const bool wanted = page_sizes == 0 || (page_sizes & (~page_sizes + 1)) == granule_size(g);
    if (wanted && has_granule(capabilities.id, g)) {
      return g;
    }
  }
  return Errc::invalid_argument;
}

} // namespace

Result<pagetable::Config> paging_config(const Capabilities& capabilities, iommu::Stage preferred,
                                        const iommu::PagingOptions& options) {
  const auto stage = stage_of(capabilities, preferred, options);
  if (!stage) {
    return stage.error();
  }
  const auto granule = granule_of(capabilities, options.page_sizes);
  if (!granule) {
    return granule.error();
  }
  const unsigned most = *granule == Granule::k64 ? 52 : 48;
  pagetable::Config config;
  config.stage = *stage;
  config.granule = *granule;
  config.output_bits = smaller(capabilities.output_bits, most);
  config.input_bits = *stage == pagetable::Stage::one ? smaller(capabilities.virtual_bits, most) : config.output_bits;
  config.dirty = options.dirty;
  config.resizes = capabilities.resizes;
  config.fwb = *stage == pagetable::Stage::two && capabilities.s2fwb;
  return config;
}

iommu::Geometry geometry_of(const pagetable::Config& config) {
  const AddressBits bits = config.output_bits > 48 ? AddressBits::a52 : AddressBits::a48;
  std::uint64_t sizes = 0;
  for (int level = lowest_level; level <= last_level; ++level) {
    if (leaf_allowed(config.granule, level, bits)) {
      sizes |= level_size(config.granule, level);
    }
  }
  return {0, (1ULL << config.input_bits) - 1, sizes, (1ULL << config.output_bits) - 1};
}

} // namespace sluice::driver

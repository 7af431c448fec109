#pragma once

#include <sluice/pagetable/table_map.hpp>
#include <sluice/pagetable/table_read.hpp>
#include <sluice/pagetable/table_resize.hpp>
#include <sluice/pagetable/table_unmap.hpp>
#include <sluice/platform/object.hpp>

namespace sluice::pagetable {

template <class F, bool coherent>
Table<F, coherent>::Table(platform::Memory& memory, platform::Sync& sync, const Shape& shape, platform::DmaBlock root)
    : PageTable{shape.config, shape.fields}, tree_{memory, root, shape.root_shift, shape.output_end}, sync_{sync},
      input_end_{shape.input_end}, output_end_{shape.output_end},
      block_shift_{shape.block_shift}, largest_{shape.block_shift} {
  for (unsigned i = 0; i < prot_count; ++i) {
    const auto prot = static_cast<Prot>(i);
    attributes_[i] = has(prot, Prot::read | Prot::write) ? F::leaf(prot, shape.config) : 0;
  }
}

template <class F, bool coherent>
base::Result<OwnedPageTable> make_one(platform::Memory& memory, platform::Sync& sync, const Shape& shape,
                                      platform::DmaBlock root) {
  auto table = platform::make<Table<F, coherent>>(memory, memory, sync, shape, root);
  if (!table) {
    return table.error();
  }
  return OwnedPageTable{*table->release()};
}

template <class StageRules>
base::Result<OwnedPageTable> make_table(platform::Memory& memory, platform::Sync& sync, const Shape& shape,
                                        platform::DmaBlock root) {
  using arch::Granule;
  const bool coherent = memory.facts().coherent_walks;
  switch (shape.config.granule) {
  case Granule::k4:
    return (coherent ? make_one<Format<StageRules, Granule::k4>, true>
                     : make_one<Format<StageRules, Granule::k4>, false>)(memory, sync, shape, root);
  case Granule::k16:
    return (coherent ? make_one<Format<StageRules, Granule::k16>, true>
                     : make_one<Format<StageRules, Granule::k16>, false>)(memory, sync, shape, root);
  case Granule::k64:
    return (coherent ? make_one<Format<StageRules, Granule::k64>, true>
                     : make_one<Format<StageRules, Granule::k64>, false>)(memory, sync, shape, root);
  }
  return base::Errc::invalid_argument;
}

} // namespace sluice::pagetable

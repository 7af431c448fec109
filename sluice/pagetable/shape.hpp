#pragma once

#include <sluice/pagetable/page_table.hpp>

#include <cstdint>

namespace sluice::pagetable {

// What make() has worked out of a Config.
struct Shape {
  Config config;
  Fields fields;
  unsigned root_shift{};      // log2 of what an entry of the root covers
  unsigned block_shift{};     // log2 of the largest block, or of a page where there is no block
  std::uint64_t input_end{};  // 2^input_bits
  std::uint64_t output_end{}; // 2^output_bits
};

// The table owns `root` from then on, if there is no error. StageRules is StageOne or StageTwo. Errors: no_memory.
template <class StageRules>
base::Result<OwnedPageTable> make_table(platform::Memory& memory, platform::Sync& sync, const Shape& shape,
                                        platform::DmaBlock root);

} // namespace sluice::pagetable

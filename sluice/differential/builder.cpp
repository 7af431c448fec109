#include <sluice/differential/builder.hpp>

#include <sluice/arch/geometry.hpp>
#include <sluice/base/check.hpp>

#include <algorithm>

namespace sluice::differential {

std::uint64_t Builder::alloc(std::uint64_t bytes, std::uint64_t align) {
  // Gaps, so that what reads a neighbour's place finds nothing.
  next_ += 64ULL * random_.below(64);
  next_ = (next_ + align - 1) & ~(align - 1);
  const std::uint64_t at = next_;
  next_ += bytes;
  base::check(next_ <= area::targets);
  return at;
}

Tree Builder::tree(arch::Granule g, unsigned input_bits, int start) {
  const std::uint64_t bytes = arch::first_table_bytes(g, start, input_bits);
  return {g, input_bits, start, alloc(bytes, std::max<std::uint64_t>(bytes, 64))};
}

Path Builder::map(const Tree& tree, std::uint64_t input, std::uint64_t output, int level, std::uint64_t attributes,
                  std::uint64_t delta, std::uint64_t table_bits) {
  const arch::Granule g = tree.granule;
  input &= (1ULL << tree.input_bits) - 1;
  Path path{{}, tree.start, g};
  std::uint64_t table = tree.root;
  for (int l = tree.start;; ++l) {
    const std::uint64_t index = l == tree.start ? input >> arch::level_shift(g, l) : arch::level_index(g, l, input);
    const std::uint64_t at = table + 8 * index;
    path.descriptors.push_back(at);
    const std::uint64_t there = c_.word(at);
    const bool last = l == arch::last_level;
    if (there == 0 && l == level) {
      const std::uint64_t size = arch::level_size(g, l);
      c_.memory[at] =
          arch::put_leaf_address(g, l, arch::AddressBits::a48, output & ~(size - 1)) | attributes | (last ? 3 : 1);
      return path;
    }
    if (there != 0 && (last || arch::descriptor_type(there) == arch::DescriptorType::block)) {
      return path;
    }
    if (there == 0) {
      const std::uint64_t made = alloc(arch::granule_size(g), arch::granule_size(g));
      c_.memory[at] = arch::put_table_address(g, arch::AddressBits::a48, made + delta) | table_bits | 3;
      table = made;
    } else {
      table = arch::table_address(g, arch::AddressBits::a48, there) - delta;
    }
    level = std::max(level, l + 1);
  }
}

} // namespace sluice::differential

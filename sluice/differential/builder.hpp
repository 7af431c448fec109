#pragma once

#include <sluice/arch/descriptors.hpp>
#include <sluice/differential/case.hpp>
#include <sluice/differential/ram.hpp>
#include <sluice/hosted/random.hpp>

#include <cstdint>

namespace sluice::differential {

// A tree of translation tables.
struct Tree {
  arch::Granule granule{};
  unsigned input_bits{};
  int start{};
  std::uint64_t root{}; // PA
};

// Lays structures and tables into the window of a case.
class Builder {
public:
  Builder(Case& c, hosted::Random& random) : c_{c}, random_{random} {}

  // Zeroed, aligned to its size or more.
  std::uint64_t alloc(std::uint64_t bytes, std::uint64_t align);
  Tree tree(arch::Granule g, unsigned input_bits, int start);
  // Leads `input` to `output` by a leaf of `level` with these attributes, or of another level where such a one is in
  // the way. Addresses in table descriptors, of `delta` more, and `table_bits` go into tables that are made on the way.
  Path map(const Tree& tree, std::uint64_t input, std::uint64_t output, int level, std::uint64_t attributes,
           std::uint64_t delta = 0, std::uint64_t table_bits = 0);

private:
  Case& c_;
  hosted::Random& random_;
  std::uint64_t next_{area::window};
};

} // namespace sluice::differential

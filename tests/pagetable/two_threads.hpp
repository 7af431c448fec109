#pragma once

#include "rig.hpp"

#include <sluice/hosted/explore.hpp>

#if defined(SLUICE_EXPLORE)

namespace sluice::pagetable::test {

// One table, and what is to be true of it in the end.
struct TwoThreads : hosted::ExploreTest {
  static constexpr unsigned threads = 2;

  void before() override { make_table({.input_bits = 39, .dirty = true}); }
  void make_table(const Config& config) {
    auto made = make(memory, sync(), config);
    expect(made.ok(), "a table is made");
    table = *std::move(made);
  }
  // All that is left is unmapped, and all memory comes back.
  void after() override {
    for (std::uint64_t at = 0; at < 4 * mib;) {
      const auto leaf = table->walk(at);
      if (leaf) {
        const auto size = leaf->leaf_size;
        expect(complete(unmap(*table, at, size), size), "what is left can be unmapped");
        at += size;
      } else {
        at += 4 * kib;
      }
    }
    table.reset();
    sync().reclaim();
    expect(memory.counts().live() == 0, "no table is lost");
  }
  base::Progress map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size) {
    const platform::ReadSection section{sync()};
    return table->map(iova, pa, size, rw);
  }
  base::Progress unmap_and_release(std::uint64_t iova, std::uint64_t size) {
    Gather gather;
    base::Progress progress;
    {
      const platform::ReadSection section{sync()};
      progress = table->unmap(iova, size, gather);
    }
    table->release(gather);
    return progress;
  }

  hosted::Arena arena{{.size = 1 << 20}};
  hosted::Memory memory{arena};
  OwnedPageTable table;
};

} // namespace sluice::pagetable::test

#endif

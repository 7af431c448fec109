#pragma once

#include "smmu.hpp"

// 13, DDI 0487 D8.6: memory types, spelled out.
namespace sluice::fuzz::reference {

enum class Level : std::uint8_t { non_cacheable, write_through, write_back };

struct Cached { // inner or outer
  Level level{Level::write_back};
  bool read_allocate{true}, write_allocate{true}, transient{};
};

// 13.1.3: what a client leaves open is the default.
struct Type {
  bool device{};
  unsigned kind{}; // of Device: nGnRnE, nGnRE, nGRE, GRE
  Cached outer{}, inner{};
  arch::Shareability sh{arch::Shareability::non_shareable};

  bool cacheable() const {
    return !device && (outer.level != Level::non_cacheable || inner.level != Level::non_cacheable);
  }
};

// As it is on the bus: what no hint or shareability can change has none.
Attributes on_bus(const Type& type, bool instruction, bool privileged);

Type from_mair(std::uint8_t attr, arch::Shareability sh);                                // 5.4 MAIR0
Type from_memattr(unsigned attr, arch::Shareability sh);                                 // 5.2 MemAttr
Type of_table(const arch::CR1& cr1);                                                     // 13.8
Type of_cd(const arch::Ste& s);                                                          // 5.2 S1CIR
Type of_walk(arch::Cacheability outer, arch::Cacheability inner, arch::Shareability sh); // 5.2 S2IR0, 5.4 IR0

Type incoming(const Registers& r, const arch::Ste& s);  // after the STE's overrides
Type incoming(const Registers& r, const arch::GBPA& g); // 6.3.14
Type with_client(Type stage1, const Type& client);      // 13.5 RA, WA, TR
Type with_stage2(const Type& first, std::uint64_t descriptor, bool fwb);

} // namespace sluice::fuzz::reference

#pragma once

#include <sluice/model/regime.hpp>
#include <sluice/model/tlb.hpp>

#include <cstdint>

namespace sluice::model {

// Translates through tables, and fills a port's TLB. Each function returns false with the fault set.
class Walker {
public:
  Walker(Bus& bus, const Facts& facts, Tlb& tlb) : bus_{bus}, facts_{facts}, tlb_{tlb} {}

  // 7.3.22: all checks of a translation but the permission of a single stage's leaf, which the caller makes on `out`.
  bool translate(const Regime& regime, std::uint64_t address, unsigned wanted, TlbEntry& out, Fault& fault);

  // An address of the SMMU's own access (a CD, a stage 1 descriptor) through stage 2.
  bool own_access(const Regime& regime, std::uint64_t ipa, arch::EventClass why, MemoryType type, std::uint64_t& pa,
                  Attributes& attributes, Fault& fault);

  std::uint64_t reads() const { return reads_; }

  static Fault permission_fault(const Regime& regime, const TlbEntry& entry, std::uint64_t address, unsigned wanted);

private:
  struct Leaf1;

  bool stage1(const Regime& regime, std::uint64_t va, unsigned wanted, Leaf1& leaf, Fault& fault);
  bool stage1_leaf(const Stage1& s1, const Half& half, std::uint64_t va, int level, std::uint64_t descriptor,
                   unsigned taken, Leaf1& leaf, Fault& fault);
  bool stage2(const Regime& regime, std::uint64_t ipa, arch::EventClass why, TlbEntry& out, Fault& fault);
  bool stage2_walk(const Regime& regime, std::uint64_t ipa, arch::EventClass why, TlbEntry& out, Fault& fault);
  bool read(std::uint64_t pa, const Attributes& attributes, std::uint64_t& descriptor);
  // The deepest table on the way that is cached.
  const WalkEntry* cached_table(std::uint32_t context, std::uint64_t address, const TreeShape& tree) const;

  Bus& bus_;
  const Facts& facts_;
  Tlb& tlb_;
  std::uint64_t reads_{0};
};

} // namespace sluice::model

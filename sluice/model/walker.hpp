#pragma once

#include <sluice/model/regime.hpp>
#include <sluice/model/tlb.hpp>

#include <cstdint>

namespace sluice::model {

// Translates through tables, and fills a port's TLB. Each function returns false with the fault set.
class Walker {
public:
  // `updates`: 3.13 access flag and dirty state are written where the configuration says so; else they count as
  // written.
  Walker(Bus& bus, const Facts& facts, Tlb& tlb, bool updates = true)
      : bus_{bus}, facts_{facts}, tlb_{tlb}, updates_{updates} {}

  // 7.3.22: all checks of a translation but the permission of a single stage's leaf, which the caller makes on `out`.
  bool translate(const Regime& regime, std::uint64_t address, unsigned wanted, TlbEntry& out, Fault& fault);

  // An address of the SMMU's own access (a CD, a stage 1 descriptor) through stage 2.
  bool own_access(const Regime& regime, std::uint64_t ipa, arch::EventClass why, MemoryType type, std::uint64_t& pa,
                  Attributes& attributes, Fault& fault, bool write = false);

  std::uint64_t reads() const { return reads_; }

  static Fault permission_fault(const Regime& regime, const TlbEntry& entry, std::uint64_t address, unsigned wanted);

private:
  struct Leaf1;
  enum class Done : std::uint8_t {
    yes,
    no,
    changed
  };                                            // changed: a descriptor was another one by the time of its update
  static constexpr unsigned most_attempts = 64; // then an update counts as aborted

  Done both_stages(const Regime& regime, std::uint64_t address, unsigned wanted, TlbEntry& out, bool cached_tables,
                   Leaf1& leaf, Fault& fault);
  Done update_stage1(const Regime& regime, Leaf1& leaf, unsigned wanted, bool permitted, Fault& fault);
  Done update(std::uint64_t pa, const Attributes& attributes, std::uint64_t old, std::uint64_t now);
  Done stage2_leaf(const Stage2& s2, std::uint64_t at, std::uint64_t& descriptor, bool write);

  bool stage1(const Regime& regime, std::uint64_t va, unsigned wanted, bool cached_tables, Leaf1& leaf, Fault& fault);
  bool stage1_leaf(const Stage1& s1, const Half& half, std::uint64_t va, int level, std::uint64_t descriptor,
                   unsigned taken, Leaf1& leaf, Fault& fault);
  bool stage2(const Regime& regime, std::uint64_t ipa, arch::EventClass why, bool write, TlbEntry& out, Fault& fault);
  bool stage2_walk(const Regime& regime, std::uint64_t ipa, arch::EventClass why, bool write, TlbEntry& out,
                   Fault& fault);
  bool read(std::uint64_t pa, const Attributes& attributes, std::uint64_t& descriptor);
  // The deepest table on the way that is cached.
  const WalkEntry* cached_table(std::uint32_t context, std::uint64_t address, const TreeShape& tree) const;

  Bus& bus_;
  const Facts& facts_;
  Tlb& tlb_;
  const bool updates_;
  std::uint64_t reads_{0};
};

} // namespace sluice::model

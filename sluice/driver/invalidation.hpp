#pragma once

#include <sluice/arch/commands.hpp>
#include <sluice/arch/granule.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/pagetable/config.hpp>
#include <sluice/pagetable/gather.hpp>

#include <array>
#include <cstdint>
#include <span>

// Which commands remove a domain's translations from the TLBs. Pure.
namespace sluice::driver {

// How the SMMU names a domain in its TLBs: by ASID (with VMID 0) or by VMID.
struct Tag {
  pagetable::Stage stage{};
  std::uint16_t id{};
  bool el2{};   // stage 1: StreamWorld NS-EL2-E2H
  bool nests{}; // stage 2: guests' first stages stand on it, and their translations carry its VMID
};

arch::Command invalidate_all(Tag tag);

// Beyond this many commands one that covers the whole tag is cheaper, even though it throws away what stays mapped.
inline constexpr std::size_t max_invalidations = 64;

class Invalidation {
public:
  // All of a domain.
  explicit Invalidation(Tag tag);
  // All that `gather` names. `ranges`: IDR3.RIL.
  Invalidation(const pagetable::Gather& gather, Tag tag, arch::Granule granule, bool ranges);
  std::span<const arch::Command> commands() const { return {commands_.data(), count_}; }
  std::uint64_t syncs() const { return syncs_; } // among them
  // Not more is named than has to go, but for what a range rounds up.
  bool by_address() const { return by_address_; }
  bool by_range() const { return by_range_; }

private:
  bool add_page(const pagetable::Gather::Range& range, Tag tag);
  bool add_range(const pagetable::Gather::Range& range, Tag tag, arch::Granule granule);
  bool add(Tag tag, std::uint64_t address, bool leaf, arch::Range hint);
  void add_nested(Tag tag);

  std::array<arch::Command, max_invalidations + 2> commands_{};
  std::size_t count_{};
  std::uint64_t syncs_{};
  bool by_address_{};
  bool by_range_{};
};

// How domains were invalidated.
struct InvalidationCounts {
  base::Atomic<std::uint64_t> pages{0};      // by one command for each leaf
  base::Atomic<std::uint64_t> ranges{0};     // by one command for each range
  base::Atomic<std::uint64_t> everything{0}; // by ASID or VMID

  void count(const Invalidation& done) {
    auto& n = done.by_range() ? ranges : done.by_address() ? pages : everything;
    n.fetch_add(1, base::Order::relaxed);
  }
};

} // namespace sluice::driver

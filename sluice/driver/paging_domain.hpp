#pragma once

#include <sluice/driver/deferred.hpp>
#include <sluice/driver/domain.hpp>
#include <sluice/driver/invalidation.hpp>
#include <sluice/pagetable/page_table.hpp>

namespace sluice::driver {

// Map and unmap, on stage 1 with an ASID or on stage 2 with a VMID; the latter may be the parent of nested domains.
class PagingDomain final : public SmmuDomain, public Held {
public:
  // Errors: as iommu::Unit::make_paging.
  // `mutex` is the unit's.
  static base::Result<iommu::Domain*> make(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts,
                                           const iommu::PagingOptions& options);
  PagingDomain(iommu::Unit& unit, Parts& parts, const iommu::PagingOptions& options, Tag tag,
               pagetable::OwnedPageTable table);

  base::Progress map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size, iommu::Prot prot) override;
  base::Progress unmap(std::uint64_t iova, std::uint64_t size) override;
  iommu::DeferredUnmap unmap_deferred(std::uint64_t iova, std::uint64_t size) override;
  base::Status flush_unmaps() override;
  std::uint64_t flushed() const override { return deferred_.flushed(); }
  base::Result<std::uint64_t> iova_to_phys(std::uint64_t iova) override;
  base::Status merge_pages() override;
  base::Status set_dirty_tracking(bool on) override;
  base::Progress read_dirty(std::uint64_t iova, std::uint64_t size, iommu::Clear clear,
                            iommu::DirtySink& sink) override;

  DomainEntry entry(const SmmuDevice& device) const override;
  Audience* audience() override { return &audience_; }
  void flush(iommu::Change& change) override;
  void distrust() override { unclean_.store(1, base::Order::relaxed); }

  Tag tag() const { return tag_of(tags_.load(base::Order::relaxed)); }
  bool nest_parent() const { return kind_.nests; }
  pagetable::PageTable& table() { return *table_; }

  // With the unit's mutex held: has another ASID when it returns, without a gap for its devices, and nothing in a TLB
  // has the one before, which is the caller's. Errors: busy (it may be in use without our knowing), ids_exhausted,
  // timed_out (it keeps both).
  base::Status change_asid();
  PagingDomain* next_first_stage() const { return next_; }

private:
  void release() override;
  void free_self();
  // Whether anybody may have translations of what has just been taken out of the table; in a read section.
  bool heard_by_anybody(const pagetable::Gather& gather) const;
  // Has all that `gather` names, or all of the domain, leave the caches. On an error nothing may be reused.
  base::Status tell(const pagetable::Gather& gather, bool everything = false);
  Tag tag_of(std::uint32_t tags) const {
    Tag tag = kind_;
    tag.id = static_cast<std::uint16_t>(tags);
    return tag;
  }
  base::Status tell(const pagetable::Gather& gather, bool everything, Tag tag);
  // Has what a change has left behind leave the caches, and then memory.
  base::Progress finish(base::Progress progress, pagetable::Gather& gather, bool anybody);
  bool notes_pages() const { return parts_.config.dirty_by_page && table_->config().resizes; }
  base::Status split_all();
  base::Status merge_level(int level);
  base::Progress take_dirty(std::uint64_t iova, std::uint64_t size, pagetable::Clear clear, pagetable::DirtySink& sink);

  Parts& parts_;
  Tag kind_; // without the ASID or VMID
  // The ASID or VMID, and above it, while it is changed, the one before. 0: none
  base::Atomic<std::uint32_t> tags_;
  PagingDomain* next_{}; // in Parts::first_stages
  pagetable::OwnedPageTable table_;
  Audience audience_;
  DeferredUnmaps deferred_;
  base::Atomic<std::uint32_t> tracking_{0};
  base::Atomic<std::uint32_t> unclean_{0}; // an invalidation was not confirmed
};

} // namespace sluice::driver

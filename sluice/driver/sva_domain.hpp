#pragma once

#include <sluice/driver/domain.hpp>
#include <sluice/driver/invalidation.hpp>
#include <sluice/iommu/address_space.hpp>

namespace sluice::driver {

// A process's own table at PASIDs, under the processors' ASID (3.17) or one of the SMMU's.
class SvaDomain final : public SmmuDomain, private iommu::AddressSpaceUser {
public:
  // `mutex` is the unit's. Errors: as iommu::Unit::make_sva.
  static base::Result<iommu::Domain*> make(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts,
                                           iommu::AddressSpace& space);
  SvaDomain(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts, iommu::AddressSpace& space,
            const iommu::TableFormat& format, arch::Granule granule);

  // Errors: unsupported (the RID), not_found (the address space has ended).
  base::Status accepts(const SmmuDevice& device, iommu::Target target) const override;
  DomainEntry entry(const SmmuDevice& device) const override;
  Audience* audience() override { return &audience_; }
  void flush(iommu::Change& change) override;
  void distrust() override { unclean_.store(1, base::Order::relaxed); }
  Tag tag() const { return tag_; }
  // It has the processors' ASID, and their broadcasts reach the SMMU.
  bool shared() const { return shared_; }

private:
  void release() override;
  void free_self();
  // The processors' ASID, if the SMMU can have it, or one of its own. With the mutex held. Errors: invalid_argument (it
  // is another address space's), ids_exhausted, timed_out.
  base::Status take_asid();
  base::Result<bool> take_shared(std::uint16_t asid);

  base::Status changed(std::uint64_t address, std::uint64_t size) override;
  base::Status ended() override;
  void unsubscribed() override;
  base::Status tell(std::uint64_t address, std::uint64_t size);

  platform::Mutex& mutex_;
  Parts& parts_;
  iommu::AddressSpace& space_;
  pagetable::Fields fields_;
  std::uint64_t mair_;
  arch::Granule granule_;
  Tag tag_; // no ASID until take_asid()
  bool shared_{};
  Audience audience_;
  SvaDomain* next_{}; // of the unit
  bool ended_{};      // with the mutex held, as is the next
  bool released_{};
  base::Atomic<std::uint32_t> unclean_{0}; // an invalidation was not confirmed
};

} // namespace sluice::driver

#pragma once

#include <sluice/driver/audience.hpp>
#include <sluice/driver/cd_table.hpp>
#include <sluice/driver/domain.hpp>
#include <sluice/iommu/attachment.hpp>

#include <span>

namespace sluice::driver {

// How an attachment will be made real, as prepare decided.
enum class Path : std::uint8_t {
  ste,       // the STE alone: the RID of a device without PASIDs
  rid_entry, // CD 0 and S1DSS: the RID of a device with PASIDs
  new_table, // the first PASID: the STE gets a table of CDs
  new_leaf,  // the table gets a leaf
  entry,     // a CD of a leaf that is there
};

// A domain at a target of a device, and all that was reserved to put it there and to take it away again.
class SmmuAttachment final : public iommu::Attachment, public Held, public Listener {
public:
  SmmuAttachment(SmmuDevice& device, SmmuDomain& domain, iommu::Target target, Parts& parts);

  SmmuDomain& smmu_domain() const { return domain_; }
  // Nobody has seen it.
  void destroy();
  // Readers of the audience may still see it.
  void retire();
  // What the SMMU has let go of.
  void free_tables() {
    cd.reset();
    spare.reset();
    stes.free();
  }
  // The STE that has S1CDMax 0 and points to `cd`, or the domain's own.
  arch::Ste lone_ste(const EntryFacts& facts, Stalls stalls) const {
    return entry.kind == DomainEntry::Kind::cd ? stage1_ste(facts, cd.bus(), stalls) : entry.ste;
  }

  DomainEntry entry;
  Path path{};
  Plan ste_plan;
  Plan cd_plan;
  arch::Ste ste;    // Path::ste and new_table
  SpareTables stes; // for a swing of STEs
  Dma cd;           // Path::ste: the one CD
  Dma spare;        // for a swing of CDs
  CdLeaf* leaf{};   // Path::new_leaf, and rid_entry where leaf 0 is missing: until it is linked
  CdTable* table{}; // Path::new_table: until it is the device's

private:
  platform::Memory& memory_;
  platform::Sync& sync_;
  SmmuDomain& domain_;
};

} // namespace sluice::driver

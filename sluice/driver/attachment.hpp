#pragma once

#include <sluice/driver/audience.hpp>
#include <sluice/driver/cd_table.hpp>
#include <sluice/driver/domain.hpp>
#include <sluice/iommu/attachment.hpp>
#include <sluice/platform/object.hpp>

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

// What commit needs and nobody afterwards: what prepare decided, and what it reserved. If the SMMU may still read some
// of it, it is held whole.
struct Prepared final : Held {
  explicit Prepared(platform::Memory& of) : Held{nullptr, &free}, memory{of} {}
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  ~Prepared() {
    if (leaf != nullptr) {
      leaf->destroy();
    }
    if (table != nullptr) {
      table->destroy();
    }
  }

  bool hitless() const { return ste_plan.hitless() && cd_plan.hitless(); }

  platform::Memory& memory;
  Path path{};
  Plan ste_plan;
  Plan cd_plan;
  arch::Ste ste;    // Path::ste and new_table
  SpareTables stes; // for a swing of STEs
  Dma spare;        // for a swing of CDs
  CdLeaf* leaf{};   // Path::new_leaf, and rid_entry where leaf 0 is missing: until it is linked
  CdTable* table{}; // Path::new_table: until it is the device's

private:
  static void free(Held& self) {
    auto& prepared = static_cast<Prepared&>(self);
    platform::Owned<Prepared>{prepared.memory, &prepared}.reset();
  }
};

// A domain at a target of a device, and all that is needed to take it away again. There may be a million of them.
class SmmuAttachment final : public iommu::Attachment, public Held, public Listener {
public:
  SmmuAttachment(SmmuDevice& device, SmmuDomain& domain, iommu::Target target, Parts& parts);

  SmmuDomain& smmu_domain() const { return domain_; }
  // Nobody has seen it.
  void destroy();
  // Readers of the audience may still see it.
  void retire();
  // The STE that has S1CDMax 0 and points to `cd`, or the domain's own.
  arch::Ste lone_ste(const EntryFacts& facts, Stalls stalls) const {
    return entry.kind == DomainEntry::Kind::cd ? stage1_ste(facts, cd.bus(), stalls) : entry.ste;
  }

  DomainEntry entry;
  Dma cd;                            // Path::ste: the one CD
  platform::Owned<Prepared> planned; // until it is real

private:
  platform::Memory& memory_;
  platform::Sync& sync_;
  SmmuDomain& domain_;
};
static_assert(sizeof(SmmuAttachment) <= 384); // docs/costs.md: bytes of each PASID

} // namespace sluice::driver

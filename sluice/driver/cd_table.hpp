#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/driver/capabilities.hpp>
#include <sluice/driver/config.hpp>
#include <sluice/driver/dma.hpp>
#include <sluice/driver/held.hpp>
#include <sluice/iommu/attachment.hpp>
#include <sluice/platform/object.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>

namespace sluice::driver {

using SubstreamID = std::uint32_t;

// How a table of CDs is laid out. 5.2 STE.S1Fmt, S1CDMax
struct CdShape {
  unsigned bits{}; // S1CDMax: SubstreamIDs below 2^bits; 0: none
  arch::S1Format format{};

  bool two_levels() const { return format != arch::S1Format::linear; }
  // log2 of the CDs of a leaf.
  unsigned leaf_bits() const { return two_levels() ? arch::cd_split(format) : bits; }
};
// For a device that has PASIDs below 2^`wanted`; for fewer, where the SMMU or memory sets the limit.
CdShape cd_shape(const Capabilities& capabilities, const Config& config, unsigned wanted);

// CDs that lie next to each other, with the attachments they belong to. A linear table is one leaf.
class CdLeaf final : public Held, public platform::Retired {
public:
  // All invalid. Errors: no_memory.
  static base::Result<CdLeaf*> make(platform::Memory& memory, unsigned log2);
  // A table of the same size that holds nothing yet. Errors: no_memory.
  static base::Result<Dma> make_table(platform::Memory& memory, unsigned log2);
  void destroy();
  // Nobody finds it any more, but who asked for an owner may still be reading it; the CDs are freed at once.
  void retire(platform::Sync& sync);
  void free_cds() { table_.reset(); }

  std::uint64_t bus() const { return table_.bus(); }
  base::DmaWord* words() const { return table_.words(); }
  base::DmaWord* entry(std::uint32_t index) const { return table_.words() + index * arch::Cd::word_count; }
  std::size_t size() const { return table_.size(); }
  // The caller owns what was there.
  Dma exchange(Dma table) {
    std::swap(table, table_);
    return table;
  }
  using Owner = base::Atomic<iommu::Attachment*>;
  Owner& owner(std::uint32_t index) { return reinterpret_cast<Owner*>(this + 1)[index]; }

  std::uint32_t used{}; // owners that are not null

private:
  CdLeaf(platform::Memory& memory, unsigned log2);
  static std::size_t room(unsigned log2) { return sizeof(CdLeaf) + (sizeof(Owner) << log2); }

  platform::Memory& memory_;
  unsigned log2_;
  Dma table_;
};

// The CDs of one device: entry 0 for its requests without PASID, the others for those with one. Changed with the
// unit's mutex held; owner() may be asked in a read section.
class CdTable final : public Held, public platform::Retired {
public:
  // Without leaves if it has two levels. Errors: no_memory.
  static base::Result<platform::Owned<CdTable>> make(platform::Memory& memory, const CdShape& shape);
  CdTable(platform::Memory& memory, const CdShape& shape);
  CdTable(const CdTable&) = delete;
  CdTable& operator=(const CdTable&) = delete;
  ~CdTable();
  void destroy() { platform::Owned<CdTable>{memory_, this}.reset(); }
  // As CdLeaf's.
  void retire(platform::Sync& sync);

  const CdShape& shape() const { return shape_; }
  bool holds(SubstreamID ssid) const { return ssid >> shape_.bits == 0; }
  std::uint32_t leaves() const { return leaf_count_; }
  std::uint32_t leaf_of(SubstreamID ssid) const { return ssid >> shape_.leaf_bits(); }
  std::uint32_t index(SubstreamID ssid) const { return ssid & ((1U << shape_.leaf_bits()) - 1); }
  // STE.S1ContextPtr
  std::uint64_t bus() const { return shape_.two_levels() ? level1_.bus() : leaf(0)->bus(); }

  // Null: none.
  CdLeaf* leaf(std::uint32_t number) const { return leaves_[number].load(base::Order::acquire); }
  CdLeaf* leaf_for(SubstreamID ssid) const { return leaf(leaf_of(ssid)); }
  // All zero where there is no leaf.
  arch::Cd read(SubstreamID ssid) const;
  // Null: none.
  iommu::Attachment* owner(SubstreamID ssid) const;
  void set_owner(SubstreamID ssid, iommu::Attachment* attachment);
  // Entries that belong to an attachment, the one without PASID apart.
  std::uint32_t pasids() const { return pasids_; }
  // The first from `ssid` on; 0: none.
  SubstreamID next_pasid(SubstreamID ssid) const;

  // For an entry that the SMMU cannot reach yet.
  void fill(CdLeaf& leaf, SubstreamID ssid, const arch::Cd& cd);
  // One store each, after which CFGI_CD is due. 5.3
  void link(std::uint32_t number, CdLeaf& leaf);
  CdLeaf& unlink(std::uint32_t number);
  // Points to another table for the leaf and returns the one before, which the SMMU may still use until it is told. In
  // a linear table the pointer is the STE's.
  Dma swing(std::uint32_t number, Dma table);

private:
  base::Status make();
  void point_to(std::uint32_t number, std::uint64_t leaf);

  platform::Memory& memory_;
  CdShape shape_;
  std::uint32_t leaf_count_{};
  std::uint32_t pasids_{};
  Dma level1_; // L1CDs, when there are two levels
  base::Atomic<CdLeaf*>* leaves_{};
};

} // namespace sluice::driver

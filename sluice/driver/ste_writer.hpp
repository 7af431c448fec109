#pragma once

#include <sluice/driver/command_batch.hpp>
#include <sluice/driver/entry_place.hpp>
#include <sluice/driver/plan.hpp>
#include <sluice/driver/stream_table.hpp>

#include <span>

namespace sluice::driver {

// A second-level table reserved for a swing; afterwards the one that it replaced.
struct SpareTable {
  platform::Memory& memory;
  std::uint32_t leaf{};
  Dma table;
  SpareTable* next{};
};

// Those of one attachment, one for each leaf that its StreamIDs are in.
class SpareTables {
public:
  SpareTables() = default;
  SpareTables(const SpareTables&) = delete;
  SpareTables& operator=(const SpareTables&) = delete;
  ~SpareTables();

  // Errors: no_memory.
  base::Status reserve(platform::Memory& memory, const StreamTable& streams, std::span<const StreamID> sids);
  SpareTable* first() const { return first_; }

private:
  SpareTable* first_{};
};

// Carries plans out on the stream table. With the unit's mutex held.
class SteWriter {
public:
  SteWriter(StreamTable& streams, CommandQueue& commands, platform::Memory& memory)
      : streams_{streams}, commands_{commands}, memory_{memory} {}

  // For StreamIDs whose STEs are all as that of `sid`. `may_swing`: there will be spare tables.
  Plan plan(StreamID sid, const arch::Ste& target, const EntryFacts& facts, bool may_swing) const;

  iommu::Change apply(const Plan& plan, const arch::Ste& target, std::span<const StreamID> sids, SpareTables& spares);

  // Makes a new leaf known to the SMMU.
  iommu::Change link(std::uint32_t number, Leaf& leaf);
  // Points STEs that have a CD table to a copy of it.
  void repoint(std::span<const StreamID> sids, std::uint64_t cd_table, iommu::Change& change);
  // Stores without telling anybody: for an SMMU that has failed.
  void block(std::span<const StreamID> sids);

  arch::Ste read(StreamID sid) const { return streams_.read(sid); }

  // The steps of a plan:
  void store(const Step& step, std::span<const StreamID> sids, iommu::Change& change);
  void invalidate(std::span<const StreamID> sids, iommu::Change& change);
  void swing(const arch::Ste& target, std::span<const StreamID> sids, SpareTables& spares, iommu::Change& change);

private:
  void copy(SpareTable& spare, const arch::Ste& target, std::span<const StreamID> sids);
  void clean(StreamID sid);

  StreamTable& streams_;
  CommandQueue& commands_;
  platform::Memory& memory_;
};

} // namespace sluice::driver

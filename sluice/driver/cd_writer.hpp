#pragma once

#include <sluice/driver/cd_table.hpp>
#include <sluice/driver/ste_writer.hpp>

#include <span>

namespace sluice::driver {

// Carries plans out on the CDs of one device. All its StreamIDs reach them, and each may have them cached (5.4.1). With
// the unit's mutex held.
class CdWriter {
public:
  CdWriter(SteWriter& stes, CommandQueue& commands, platform::Memory& memory)
      : stes_{stes}, commands_{commands}, memory_{memory} {}

  // `may_swing`: there will be a spare table for the leaf.
  Plan plan(const arch::Cd& now, const arch::Cd& target, bool may_swing) const;
  iommu::Change apply(const Plan& plan, CdTable& table, SubstreamID ssid, const arch::Cd& target,
                      std::span<const StreamID> sids, Dma& spare);

  // The only CD of STEs without a table, of which one word changes.
  void rewrite_lone(Dma& cd, const arch::Cd& target, std::span<const StreamID> sids, iommu::Change& change);

  // Makes a new leaf, in which CDs may be valid already, known to the SMMU. 5.3: nothing behind it was reachable.
  iommu::Change link(CdTable& table, std::uint32_t number, CdLeaf& leaf, std::span<const StreamID> sids);
  // Takes one from it; when the change is confirmed it is the caller's.
  iommu::Change unlink(CdTable& table, std::uint32_t number, std::span<const StreamID> sids);

private:
  class Place;

  SteWriter& stes_;
  CommandQueue& commands_;
  platform::Memory& memory_;
};

} // namespace sluice::driver

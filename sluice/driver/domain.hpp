#pragma once

#include <sluice/driver/audience.hpp>
#include <sluice/driver/entries.hpp>
#include <sluice/driver/parts.hpp>
#include <sluice/iommu/domain.hpp>
#include <sluice/iommu/unit.hpp>

namespace sluice::driver {

class SmmuDevice;

// What an attached device's entries say.
struct DomainEntry {
  enum class Kind : std::uint8_t {
    abort,
    bypass,
    cd,    // a CD, which may be that of any SubstreamID
    whole, // the STE says it all: stage 2 or a guest's own stage 1. There is no place for CDs of ours
  };
  Kind kind{};
  arch::Ste ste; // of all but `cd`
  arch::Cd cd;
  bool no_ats{}; // of `whole`: translations of its kind must not be cached by endpoints
};

// Every domain of an SMMU.
class SmmuDomain : public iommu::Domain {
public:
  // Whether the device may be attached at all. Errors: the domain's.
  virtual base::Status accepts(const SmmuDevice&, iommu::Target) const { return {}; }
  virtual DomainEntry entry(const SmmuDevice& device) const = 0;
  // Who hears of changes; null for domains that do not change.
  virtual Audience* audience() { return nullptr; }
  // Nobody is attached any more: its tag leaves the TLBs.
  virtual void flush(iommu::Change&) {}
  // The SMMU may go on using it, whatever memory says.
  virtual void distrust() {}

protected:
  using iommu::Domain::Domain;
  ~SmmuDomain() = default;
};

// Identity and blocked: one each for an SMMU, part of it.
class StaticDomain final : public SmmuDomain {
public:
  StaticDomain(iommu::Unit& unit, Parts& parts, iommu::DomainType type);

  DomainEntry entry(const SmmuDevice& device) const override;
  base::Result<std::uint64_t> iova_to_phys(std::uint64_t iova) override;
  arch::Ste ste() const;

private:
  void release() override {}

  Parts& parts_;
};

} // namespace sluice::driver

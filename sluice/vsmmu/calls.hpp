#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/base/result.hpp>
#include <sluice/vsmmu/features.hpp>
#include <sluice/vsmmu/seams.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace sluice::vsmmu {

// Words 0 and 1 of a guest's STE.
using SteWords = std::array<std::uint64_t, 2>;

struct EventChannel {
  std::uint32_t id{};
  int descriptor{-1};
};

// The calls that a virtual SMMU makes, on one /dev/iommu. Errors are the host's: what each errno means is in errc().
class Calls {
public:
  Calls(Ioctl ioctl, int iommufd) : ioctl_{std::move(ioctl)}, iommufd_{iommufd} {}

  // Errors also: unsupported (not an SMMUv3).
  base::Result<HostFacts> hw_info(std::uint32_t device) const;
  base::Result<std::uint32_t> make_viommu(std::uint32_t device, std::uint32_t parent) const;
  base::Result<std::uint32_t> make_vdevice(std::uint32_t viommu, std::uint32_t device, std::uint32_t stream) const;
  // `faults`: a fault queue, or 0.
  base::Result<std::uint32_t> make_nested(std::uint32_t device, std::uint32_t viommu, const SteWords& ste,
                                          std::uint32_t faults = 0) const;
  base::Result<EventChannel> make_fault_queue() const;
  base::Result<EventChannel> make_event_queue(std::uint32_t viommu, std::uint32_t depth) const;
  base::Status destroy(std::uint32_t id) const;
  // On a VFIO device's descriptor. Whatever was attached before is replaced without a gap.
  base::Status attach(int device, std::uint32_t table) const;
  base::Status detach(int device) const;
  // 0 or an errno; `done` is what the host says it has handled.
  int invalidate(std::uint32_t viommu, std::span<const arch::Command> commands, std::uint32_t& done) const;

  static base::Errc errc(int error);

private:
  template <class T>
  int call(T& structure) const;

  Ioctl ioctl_;
  int iommufd_;
};

} // namespace sluice::vsmmu

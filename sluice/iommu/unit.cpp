#include <sluice/iommu/unit.hpp>

namespace sluice::iommu {

using base::Errc;

base::Result<HwInfo> Unit::hw_info(std::uint32_t, std::span<std::byte>) { return Errc::unsupported; }

base::Result<Viommu*> Unit::viommu_alloc(std::uint32_t, Domain&, std::span<const std::byte>) {
  return Errc::unsupported;
}

base::Result<Domain*> Viommu::nested_alloc(std::uint32_t, std::span<const std::byte>) { return Errc::unsupported; }

base::Status Viommu::vdevice_add(Device&, std::uint64_t) { return Errc::unsupported; }

base::Status Viommu::vdevice_remove(Device&) { return Errc::unsupported; }

base::Status Viommu::invalidate(InvalidateRequest& request) {
  request.done = 0;
  return Errc::unsupported;
}

base::Status Viommu::set_event_sink(std::uint32_t, EventSink*) { return Errc::unsupported; }

} // namespace sluice::iommu

#pragma once

#include <sluice/machine/host.hpp>
#include <sluice/scenario/nested_job.hpp>
#include <sluice/scenario/virtual_machine.hpp>

#include <cstdint>
#include <optional>
#include <vector>

// What a nested run is made of: a host with its devices, a guest that has most of them, and one that has the last.
namespace sluice::scenario::nested {

inline constexpr std::uint32_t hostile_stream = 0x12;   // its guest's name
inline constexpr std::uint32_t stalling_stream = 0x200; // and of the guest's last device, whose accesses may wait

machine::HostConfig host(const NestedJobOptions& options);
VirtualMachine::Config guest(const NestedJobOptions& options);
VirtualMachine::Config hostile();
// Of the guest, on its virtual SMMU. Throws machine::DriverRefused.
platform::Owned<driver::Smmu> make_driver(VirtualMachine& vm);

// What the guest attaches domains to.
struct Target {
  unsigned device{}; // of the guest's
  std::uint32_t stream{};
  iommu::Target target{};
  std::optional<unsigned> context{}; // of the engine's
};
// Of each device first what has no PASID, so that it has a domain when its PASIDs get theirs.
std::vector<Target> targets();

} // namespace sluice::scenario::nested

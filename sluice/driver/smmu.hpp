#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/base/result.hpp>
#include <sluice/driver/capabilities.hpp>
#include <sluice/driver/config.hpp>
#include <sluice/driver/counters.hpp>
#include <sluice/iommu/device.hpp>
#include <sluice/iommu/unit.hpp>
#include <sluice/platform/platform.hpp>

#include <span>

namespace sluice::driver {

// One SMMUv3, Non-secure interface.
class Smmu final : public iommu::Unit {
public:
  // Probes, resets and enables. `mmio` outlives the Smmu. Errors: bad_hardware, missing_feature (see decode),
  // no_memory, timed_out (a handshake; the log says which), illegal_command, command_abort (the first commands),
  // not_found, already_exists (a wire). After an error the SMMU is off, and aborts what it gets if it was on before.
  static base::Result<platform::Owned<Smmu>> make(const platform::Platform& platform, platform::Mmio& mmio,
                                                  const Config& config = {});
  // Blocks all traffic, then switches the SMMU off. Devices that are left are removed; all paging domains are gone by
  // then.
  ~Smmu();

  const Capabilities& capabilities() const;
  const Config& config() const;
  Counters counters() const;
  // A wait ran out, or the SMMU reported that it failed: nothing is sent any more.
  bool failed() const;

  iommu::Domain& identity() override;
  iommu::Domain& blocked() override;
  base::Result<iommu::Domain*> make_paging(const iommu::PagingOptions& options) override;

  // A requester with all its StreamIDs; the same one twice is one. `function` is null where there is no PCI. Its
  // requests go to the idle domain. Errors: invalid_argument (no StreamID), too_large (beyond the stream table),
  // shares_stream (another device has it), no_memory, smmu_failed.
  base::Result<iommu::Device*> add(platform::PciFunction* function, std::span<const StreamID> streams);
  // Detaches and blocks the device, then frees it. Errors: busy (in a group).
  base::Status remove(iommu::Device& device);

  // Does what interrupts do: reads events, looks at global errors. Any thread, any time.
  void poll();

  // Commands as they are, and waits for their completion. For tools and tests. Errors: illegal_command, command_abort,
  // atc_timed_out, timed_out, smmu_failed.
  base::Status submit(std::span<const arch::Command> commands);
};

} // namespace sluice::driver

#pragma once

#include <sluice/platform/irq.hpp>
#include <sluice/platform/log.hpp>
#include <sluice/platform/memory.hpp>
#include <sluice/platform/mmio.hpp>
#include <sluice/platform/object.hpp>
#include <sluice/platform/pci.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/platform/time.hpp>

namespace sluice::platform {

// All that a port implements, once for a system. Each SMMU has an Mmio of its own, each PCI device a PciFunction.
struct Platform {
  Memory& memory;
  Sync& sync;
  Time& time;
  Irq& irq;
  Log& log;
};

} // namespace sluice::platform

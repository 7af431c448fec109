#pragma once

#include <ports/qemu/machine.hpp>
#include <sluice/driver/counters.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sluice::ports::qemu {

struct RunOptions {
  VirtOptions virt{};
  unsigned rounds{100}; // replaced domains, each with a transfer before and after
  std::uint64_t seed{1};
  // What stands between the driver and the machine's frame; nothing if empty. It outlives the run.
  std::function<platform::Mmio&(Machine&)> frame{};
};

// One thing that had to be so. It holds when what was seen is what was expected.
struct Check {
  std::string name;
  std::string expected;
  std::string seen;

  bool passed() const { return seen == expected; }
};

struct Report {
  std::string smmu; // what the driver found
  std::vector<Check> checks;
  std::uint64_t changes{};  // of the domain under the device
  std::uint64_t bytes{};    // moved by the device and verified in physical memory
  std::uint64_t faults{};   // that a domain was told of
  std::uint64_t accesses{}; // of registers and configuration space
  driver::Counters counters{};

  bool passed() const;
};

using Progress = std::function<void(const Check&)>;

// The driver on stock QEMU's SMMUv3: each check in order, told to `progress` as it is made. A check that fails and that
// others need is the last one.
Report run_on_qemu(const RunOptions& options = {}, const Progress& progress = {});

} // namespace sluice::ports::qemu

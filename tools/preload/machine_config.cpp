#include "machine_config.hpp"

#include "report.hpp"
#include "settings.hpp"

#include <sluice/scenario/machine_file.hpp>

namespace sluice::preload {

namespace {

machine::HostFault fault(const std::string& name) {
  using machine::HostFault;
  if (name.empty()) {
    return HostFault::none;
  }
  if (name == "tlbi") {
    return HostFault::tlbi;
  }
  if (name == "s1") {
    return HostFault::s1;
  }
  if (name == "s2") {
    return HostFault::s2;
  }
  if (name == "walk") {
    return HostFault::walk;
  }
  fail("SLUICE_BREAK is '%s'; expected tlbi, s1, s2 or walk", name.c_str());
}

// Uses of what the program should have invalidated; after a planted fault it is not the program that should have. A
// guest's processors may be slow, and a program that forgets its invalidations makes no CMD_SYNC.
void watch_stale(machine::HostConfig& config) {
  for (machine::SmmuConfig& smmu : config.smmus) {
    smmu.knobs.watch_stale = config.fault == machine::HostFault::none;
    smmu.knobs.stale_after_syncs = 8;
    smmu.knobs.stale_after_us = 200'000;
  }
}

machine::HostConfig read() {
  machine::HostConfig config;
  try {
    config = settings().machine.empty() ? scenario::default_machine() : scenario::read_machine(settings().machine);
  } catch (const scenario::MachineFileError& error) {
    fail("%s", error.what());
  }
  config.without_cache_invalidate = settings().without_cache_invalidate;
  config.fault = fault(settings().fault);
  watch_stale(config);
  return config;
}

} // namespace

const machine::HostConfig& machine_config() {
  static const auto* const one = new machine::HostConfig{read()};
  return *one;
}

} // namespace sluice::preload

#include "machine_config.hpp"

#include "report.hpp"
#include "settings.hpp"

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

machine::HostConfig read() {
  machine::HostConfig config;
  config.smmus.emplace_back();
  config.functions.push_back({.address = {.device = 3}});
  config.without_cache_invalidate = settings().without_cache_invalidate;
  config.fault = fault(settings().fault);
  return config;
}

} // namespace

const machine::HostConfig& machine_config() {
  static const auto* const one = new machine::HostConfig{read()};
  return *one;
}

} // namespace sluice::preload

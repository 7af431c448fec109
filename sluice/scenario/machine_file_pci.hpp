#pragma once

#include <sluice/scenario/machine_file_json.hpp>

#include <vector>

// What is on PCI Express: root ports, and functions behind them or beside them.
namespace sluice::scenario::machine_file {

// All that is behind it, on one bus, has its requests go through one SMMU.
struct RootPort {
  machine::PciAddress address{};
  std::uint8_t bus{}; // the secondary one
  unsigned smmu{};
};

std::vector<RootPort> root_ports(const Json& value, const Pointer& at, const machine::HostConfig& host);
// Appends to host.functions and host.engines.
void functions(const Json& value, const Pointer& at, const std::vector<RootPort>& ports, machine::HostConfig& host);

} // namespace sluice::scenario::machine_file

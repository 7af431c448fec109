#pragma once

#include <sluice/hosted/scratch.hpp>
#include <sluice/machine/host.hpp>

#include <filesystem>
#include <string_view>

// Machines that clients work on, written down as JSON: docs/machine-file.md.
namespace sluice::scenario {

// Says where in the file something is wrong, as a JSON pointer, and what was expected there.
class MachineFileError : public hosted::SetupError {
public:
  using hosted::SetupError::SetupError;
};

// Both throw MachineFileError. What they return can be made.
machine::HostConfig parse_machine(std::string_view text);
machine::HostConfig read_machine(const std::filesystem::path& file);
// One SMMU and two entropy sources behind it, 0000:00:03.0 and 0000:00:04.0.
machine::HostConfig default_machine();

} // namespace sluice::scenario

#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/features.hpp>

#include <optional>

namespace sluice::vsmmu {

// A legal command that invalidates, as a host takes it: fields that this SMMU ignores are 0 in it, and what the
// architecture lets pass (4.1.7, 4.4) is not there to be refused. Nothing: it has no effect.
std::optional<arch::Command> for_host(const arch::Command& command, const arch::IdRegisters& id);

} // namespace sluice::vsmmu

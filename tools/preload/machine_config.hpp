#pragma once

#include <sluice/machine/host.hpp>

namespace sluice::preload {

// What the settings say: the machine file's machine, or the default one, with the fault to plant. What cannot be used
// ends the process with a message.
const machine::HostConfig& machine_config();

} // namespace sluice::preload

#pragma once

#include <sluice/advise/recorder.hpp>
#include <sluice/machine/host.hpp>

#include <memory>
#include <string>
#include <vector>

namespace sluice::preload {

// The machine that this process is on: known from the start, made when something of it is used first.

// The functions that it has, by address: 0000:00:03.0; those of the host's functions, then of its engines. A machine
// file that cannot be used ends the process with a message.
const std::vector<std::string>& functions();

// Makes it if need be. Null when it cannot be made, which has been reported, or is not this process's.
machine::Host* host();
// Whether this process or the one that it was forked from has made it.
bool host_is_made();
// A new open /dev/iommu, with what looks on.
std::shared_ptr<iommufd::Context> open_iommufd(machine::Host& host);
// Null unless calls are recorded.
advise::Recorder* recorder();

// The end: closes what is open, takes the machine down, writes its account. Only where it was made.
void finish();

} // namespace sluice::preload

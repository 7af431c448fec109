#pragma once

#include <sluice/driver/smmu.hpp>
#include <sluice/hosted/port.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/smmu.hpp>

#include <memory>
#include <string>

// How an SMMU and its driver are made, whatever stands between them. `index` is the SMMU's number in the machine.
namespace sluice::machine {

// "SMMU 1: no such thing (no_memory)"
std::string refusal_text(unsigned index, const std::string& what, base::Errc error);

// Throws hosted::SetupError.
std::unique_ptr<model::Smmu> make_model(const SmmuConfig& config, model::Bus& bus, hosted::Port& port, unsigned index);
// Throws DriverRefused.
platform::Owned<driver::Smmu> make_driver(const SmmuConfig& config, platform::Mmio& mmio, hosted::Port& port,
                                          unsigned index);
// Every queue of the SMMU is empty and no error is active. 3.5.1, 7.5
bool idle(const model::Snapshot& snapshot);

} // namespace sluice::machine

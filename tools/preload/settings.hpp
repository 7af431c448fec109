#pragma once

#include <string>
#include <vector>

namespace sluice::preload {

// What `sluice exec` says to the process that it starts, in SLUICE_* variables of the environment.
struct Settings {
  struct Given { // a descriptor that is there before the program begins
    int number{};
    std::string what{}; // "iommu" or the address of a function
  };

  std::string machine{};           // SLUICE_MACHINE: the machine file, or empty for the default machine
  std::vector<Given> given{};      // SLUICE_FDS: "10=iommu,11=0000:00:03.0"
  std::string record{};            // SLUICE_RECORD: where the calls are written, a line of JSON each
  std::string report{};            // SLUICE_REPORT: where the machine's account is written when the process ends
  bool without_cache_invalidate{}; // SLUICE_WITHOUT=cache_invalidate: the driver is said not to have it
  std::string messages{};          // SLUICE_MESSAGES: the qtest socket that takes messages to a guest
  std::string fault{};             // SLUICE_BREAK: the fault to plant, tlbi, s1, s2 or walk
};

// Read once, at the first use. What cannot be read ends the process with a message.
const Settings& settings();

} // namespace sluice::preload

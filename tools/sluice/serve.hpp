#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::tool {

struct ServeArguments {
  std::string machine; // a machine file, of which the first SMMU counts; empty: the default one
  std::string report;  // a file for what has happened
  std::string fault;   // stale, walk, cd, atc
  std::string gic{"/machine/unattached/device[1]"};
  std::uint64_t ram_mib{4096};
  std::uint64_t frame{0x7f00'0000};
  std::vector<std::string> rngs;   // NAME=ADDRESS
  std::vector<std::string> copies; // NAME=ADDRESS
  std::uint64_t atc_entries{64};   // of each copy engine, where the SMMU has ATS
  bool verbose{};
  std::vector<std::string> program; // with its arguments
};

// `sluice serve`: the SMMU of a guest that the program runs in memory shared with us, and devices behind it. Returns
// the program's exit status; 125 when something else was expected, 126 when the program cannot be started.
int serve(const ServeArguments& arguments);

} // namespace sluice::tool

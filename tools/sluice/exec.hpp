#pragma once

#include <string>
#include <vector>

namespace sluice::tool {

struct ExecArguments {
  std::string machine;            // a machine file; empty: the default machine
  std::string record;             // a file for the calls
  std::string report;             // a file for the machine's account
  std::string without;            // cache_invalidate
  std::string messages;           // a socket of QEMU's -qtest
  std::string fault;              // tlbi, s1, s2, walk
  std::vector<std::string> given; // NUMBER=iommu, NUMBER=ADDRESS
  std::string ld_so;              // a program's own loader, if it is not found
  std::string library_path;       // and its libraries
  bool verbose{};
  std::vector<std::string> program; // with its arguments
};

// `sluice exec`: becomes the program. Returns only if that cannot be: 125 when something else was expected, 126 when
// the program cannot be started, 127 when there is none.
int exec(const ExecArguments& arguments);

} // namespace sluice::tool

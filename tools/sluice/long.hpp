#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::tool {

struct LongArguments {
  bool json{};
  std::optional<std::uint64_t> seed;
  std::size_t operations{20'000};
  std::optional<std::uint32_t> threads;
  std::string fault;      // empty: none
  std::string replay;     // a file with operations, empty: they are drawn
  std::string save;       // where to write the operations that fail
  std::string log;        // where to write the driver's notes
  std::size_t tries{400}; // to shorten what fails
};

// `sluice run long`. The exit status is as of `sluice run`.
int run_long(const LongArguments& arguments);

} // namespace sluice::tool

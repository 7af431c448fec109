#pragma once

#include <sluice/scenario/nested_job.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::tool {

struct NestedArguments {
  bool json{};
  bool alone{}; // without the hostile guest
  double seconds{5};
  std::optional<std::uint64_t> seed;
  std::string fault; // empty: none
};

// `sluice run nested`. The exit status is as of `sluice run`.
int run_nested(const NestedArguments& arguments);

// For people and for programs.
std::string nested_table(const NestedArguments& arguments, const scenario::NestedJobReport& report);
std::string nested_json(const NestedArguments& arguments, const scenario::NestedJobReport& report);

} // namespace sluice::tool

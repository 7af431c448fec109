#pragma once

#include <sluice/scenario/nested_job.hpp>

#include <nlohmann/json_fwd.hpp>

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

// Throws hosted::SetupError.
scenario::NestedJobReport run_nested_job(const NestedArguments& arguments);
// `sluice run nested`. The exit status is as of `sluice run`.
int run_nested(const NestedArguments& arguments);

// For people, without a last line, and for programs.
std::string nested_table(const NestedArguments& arguments, const scenario::NestedJobReport& report);
nlohmann::ordered_json nested_data(const NestedArguments& arguments, const scenario::NestedJobReport& report);

} // namespace sluice::tool

#pragma once

#include <sluice/scenario/findings.hpp>

#include <fmt/format.h>
#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What tables of results are made of.
namespace sluice::tool {

// With a space before each three digits.
std::string grouped(std::uint64_t n);

template <class... T>
void row(std::string& out, std::string_view what, fmt::format_string<T...> format, T&&... values) {
  out += fmt::format("  {:<20}{}\n", what, fmt::format(format, std::forward<T>(values)...));
}

void verdict(std::string& out, bool holds, std::string_view name, std::string_view what);
// With what was found first where one does not hold.
void verdicts(std::string& out, const std::vector<scenario::Check>& checks);
// The names of those that do not hold, each after a space.
std::string failed_names(const std::vector<scenario::Check>& checks);
nlohmann::ordered_json checks_data(const std::vector<scenario::Check>& checks);

} // namespace sluice::tool

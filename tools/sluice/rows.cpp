#include <tools/sluice/rows.hpp>

#include <nlohmann/json.hpp>

namespace sluice::tool {

std::string grouped(std::uint64_t n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) {
      text += ' ';
    }
    text += digits[i];
  }
  return text;
}

void verdict(std::string& out, bool holds, std::string_view name, std::string_view what) {
  out += fmt::format("  {:<8}{:<10}{}\n", holds ? "ok" : "FAILED", name, what);
}

void verdicts(std::string& out, const std::vector<scenario::Check>& checks) {
  for (const scenario::Check& check : checks) {
    verdict(out, check.holds(), scenario::name(check.rule), scenario::sentence(check.rule));
    if (!check.holds()) {
      out += fmt::format("          {} times, first: {}\n", grouped(check.failures), check.first);
    }
  }
}

std::string failed_names(const std::vector<scenario::Check>& checks) {
  std::string names;
  for (const scenario::Check& check : checks) {
    names += check.holds() ? "" : fmt::format(" {}", scenario::name(check.rule));
  }
  return names;
}

nlohmann::ordered_json checks_data(const std::vector<scenario::Check>& checks) {
  auto all = nlohmann::ordered_json::array();
  for (const scenario::Check& check : checks) {
    all.push_back({{"name", scenario::name(check.rule)},
                   {"what", scenario::sentence(check.rule)},
                   {"holds", check.holds()},
                   {"failures", check.failures},
                   {"first", check.first}});
  }
  return all;
}

} // namespace sluice::tool

#include "settings.hpp"

#include "report.hpp"

#include <charconv>
#include <cstdlib>
#include <sstream>

namespace sluice::preload {

namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::vector<Settings::Given> parse_given(const std::string& text) {
  std::vector<Settings::Given> given;
  std::istringstream stream{text};
  for (std::string one; std::getline(stream, one, ',');) {
    const auto equals = one.find('=');
    int number = -1;
    if (equals != std::string::npos) {
      const auto [end, error] = std::from_chars(one.data(), one.data() + equals, number);
      number = error == std::errc{} && end == one.data() + equals ? number : -1;
    }
    if (number < 0 || equals + 1 == one.size()) {
      fail("SLUICE_FDS has '%s'; expected NUMBER=iommu or NUMBER=ADDRESS, such as 11=0000:00:03.0", one.c_str());
    }
    given.push_back({number, one.substr(equals + 1)});
  }
  return given;
}

Settings read() {
  Settings s;
  s.machine = variable("SLUICE_MACHINE");
  s.record = variable("SLUICE_RECORD");
  s.report = variable("SLUICE_REPORT");
  s.messages = variable("SLUICE_MESSAGES");
  s.fault = variable("SLUICE_BREAK");
  s.given = parse_given(variable("SLUICE_FDS"));
  const auto without = variable("SLUICE_WITHOUT");
  s.without_cache_invalidate = without == "cache_invalidate";
  if (!without.empty() && !s.without_cache_invalidate) {
    fail("SLUICE_WITHOUT is '%s'; expected cache_invalidate", without.c_str());
  }
  return s;
}

} // namespace

const Settings& settings() {
  static const auto* const all = new Settings{read()};
  return *all;
}

} // namespace sluice::preload

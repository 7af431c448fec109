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

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream{text};
  for (std::string part; std::getline(stream, part, at);) {
    parts.push_back(part);
  }
  return parts;
}

Settings read() {
  Settings s;
  s.machine = variable("SLUICE_MACHINE");
  s.record = variable("SLUICE_RECORD");
  s.report = variable("SLUICE_REPORT");
  s.without = split(variable("SLUICE_WITHOUT"), ',');
  s.fault = variable("SLUICE_BREAK");
  if (const auto markers = split(variable("SLUICE_MARKERS"), ':'); markers.size() == 2) {
    s.marker_on = markers[0];
    s.marker_off = markers[1];
  }
  for (const std::string& one : split(variable("SLUICE_FDS"), ',')) {
    const auto equals = one.find('=');
    int number = -1;
    if (equals != std::string::npos) {
      std::from_chars(one.data(), one.data() + equals, number);
    }
    if (number < 0) {
      report("SLUICE_FDS has '%s'; expected NUMBER=iommu or NUMBER=ADDRESS", one.c_str());
      continue;
    }
    s.given.push_back({number, one.substr(equals + 1)});
  }
  return s;
}

} // namespace

const Settings& settings() {
  static const auto* const all = new Settings{read()};
  return *all;
}

} // namespace sluice::preload

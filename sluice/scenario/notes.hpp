#pragma once

#include <sluice/driver/code.hpp>
#include <sluice/hosted/enumerators.hpp>
#include <sluice/platform/log.hpp>

#include <array>
#include <cstddef>
#include <string_view>

// Names for what the core logs as numbers.
namespace sluice::scenario {

constexpr auto driver_codes = hosted::enumerators<driver::Code, 64>;
static_assert(driver_codes[static_cast<std::size_t>(driver::Code::sync_timed_out)] == "sync_timed_out");

// As it is written in code.hpp; empty for what is not there.
constexpr std::string_view name_of(const platform::Note& note) {
  const bool known = note.source == platform::Source::driver && note.code < driver_codes.size();
  return known ? driver_codes[note.code] : std::string_view{};
}

constexpr std::string_view name(platform::Severity severity) {
  constexpr std::array<std::string_view, 4> names{"debug", "info", "warning", "error"};
  return names[static_cast<std::size_t>(severity)];
}

} // namespace sluice::scenario

#pragma once

#include <sluice/driver/code.hpp>
#include <sluice/platform/log.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

// Names for what the core logs as numbers.
namespace sluice::scenario {

namespace detail {

// The compiler's own spelling of an enumerator.
template <driver::Code C>
constexpr std::string_view spelling() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const auto at = text.rfind("Code::");
  return at == text.npos ? "" : text.substr(at + 6, text.find_first_of(";]", at) - at - 6);
}

template <std::size_t... I>
constexpr std::array<std::string_view, sizeof...(I)> spellings(std::index_sequence<I...>) {
  return {spelling<static_cast<driver::Code>(I)>()...};
}

constexpr auto driver_codes = spellings(std::make_index_sequence<64>{});
static_assert(driver_codes[static_cast<std::size_t>(driver::Code::sync_timed_out)] == "sync_timed_out");

} // namespace detail

// As it is written in code.hpp; empty for what is not there.
constexpr std::string_view name_of(const platform::Note& note) {
  const bool known = note.source == platform::Source::driver && note.code < detail::driver_codes.size();
  return known ? detail::driver_codes[note.code] : std::string_view{};
}

constexpr std::string_view name(platform::Severity severity) {
  constexpr std::array<std::string_view, 4> names{"debug", "info", "warning", "error"};
  return names[static_cast<std::size_t>(severity)];
}

} // namespace sluice::scenario

#pragma once

#include <sluice/base/errc.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace sluice::hosted {

namespace detail {

// The compiler's own spelling of an enumerator; empty for a value that is none.
template <base::Errc E>
constexpr std::string_view enumerator() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const auto at = text.rfind("Errc::");
  return at == text.npos ? "" : text.substr(at + 6, text.find_first_of(";]", at) - at - 6);
}

template <std::size_t... I>
constexpr std::array<std::string_view, sizeof...(I)> enumerators(std::index_sequence<I...>) {
  return {enumerator<static_cast<base::Errc>(I)>()...};
}

} // namespace detail

// As it is written in errc.hpp.
constexpr std::string_view name(base::Errc e) {
  constexpr auto names = detail::enumerators(std::make_index_sequence<256>{});
  return names[static_cast<std::size_t>(e)];
}
static_assert(name(base::Errc::no_memory) == "no_memory" && name(base::Errc::timed_out) == "timed_out");
static_assert(name(static_cast<base::Errc>(255)).empty());

} // namespace sluice::hosted

#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace sluice::hosted {

namespace detail {

// The compiler's own spelling of an enumerator, without its enumeration; empty for a value that is none.
template <auto V>
constexpr std::string_view enumerator() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("V = ") + 4);
  text = text.substr(0, text.find_first_of(";]"));
  return text.front() == '(' ? std::string_view{} : text.substr(text.rfind(':') + 1);
}

template <class E, std::size_t... I>
constexpr std::array<std::string_view, sizeof...(I)> enumerators(std::index_sequence<I...>) {
  return {enumerator<static_cast<E>(I)>()...};
}

} // namespace detail

// The names of an enumeration's values below `N`, as they are written where it is declared.
template <class E, std::size_t N>
inline constexpr auto enumerators = detail::enumerators<E>(std::make_index_sequence<N>{});

} // namespace sluice::hosted

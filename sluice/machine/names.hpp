#pragma once

#include <sluice/model/idr.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace sluice::machine {

namespace detail {
// The compiler's own spelling of an enumerator.
template <model::Refusal R>
constexpr std::string_view enumerator() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const auto at = text.rfind("Refusal::");
  return at == text.npos ? "" : text.substr(at + 9, text.find_first_of(";]", at) - at - 9);
}
template <std::size_t... I>
constexpr std::array<std::string_view, sizeof...(I)> enumerators(std::index_sequence<I...>) {
  return {enumerator<static_cast<model::Refusal>(I)>()...};
}
} // namespace detail

// Why an SMMU is refused, as it is written in idr.hpp.
constexpr std::string_view name(model::Refusal refusal) {
  constexpr auto names = detail::enumerators(std::make_index_sequence<256>{});
  return names[static_cast<std::size_t>(refusal)];
}
static_assert(name(model::Refusal::no_stage) == "no_stage");

} // namespace sluice::machine

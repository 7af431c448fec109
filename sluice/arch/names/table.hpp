#pragma once

#include <sluice/arch/names/enums.hpp>
#include <sluice/arch/names/fields.hpp>

#include <array>
#include <tuple>
#include <type_traits>

// How the tables of names are written: named(Ste::V, "V") for each field of Ste::fields, in that order.
namespace sluice::arch::names::detail {

template <class F>
struct Named {
  std::string_view text;
};

template <class F>
constexpr std::tuple<Named<F>> named(F, std::string_view text) {
  return {Named<F>{text}};
}

template <class F>
constexpr bool is_address = false;
template <class S, unsigned Hi, unsigned Lo>
constexpr bool is_address<base::Address<S, Hi, Lo>> = true;

template <class F>
constexpr NamedField entry(Named<F> n) {
  NamedField field{n.text, F::hi, F::lo, is_address<F>, nullptr};
  if constexpr (std::is_enum_v<typename F::Value>) {
    field.word = [](std::uint64_t value) { return name_of(static_cast<typename F::Value>(value)); };
  }
  return field;
}

template <class... F>
std::tuple<F...> fields_named(std::tuple<Named<F>...>);

// `Layout` is the type of the tuple that arch has for the structure: a missing, foreign or misplaced name does not
// compile.
template <class Layout, class... N>
constexpr auto table(N... groups) {
  const auto all = std::tuple_cat(groups...);
  static_assert(std::is_same_v<decltype(fields_named(all)), std::remove_cv_t<Layout>>);
  return std::apply([](auto... n) { return std::array<NamedField, sizeof...(n)>{entry(n)...}; }, all);
}

} // namespace sluice::arch::names::detail

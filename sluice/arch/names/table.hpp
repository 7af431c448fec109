#pragma once

#include <sluice/arch/names/enums.hpp>
#include <sluice/arch/names/fields.hpp>

#include <array>
#include <type_traits>

// How the tables of names are written: named(Ste::V, "V") for each field of Ste::fields, in that order.
namespace sluice::arch::names::detail {

template <class F>
constexpr NamedField named(F, std::string_view text) {
  NamedField field{text, F::hi, F::lo, F::is_address, nullptr};
  if constexpr (std::is_enum_v<typename F::Value>) {
    field.word = [](std::uint64_t value) { return name_of(static_cast<typename F::Value>(value)); };
  }
  return field;
}

// `Layout` is the type of the list that arch has for the structure: a missing, foreign or misplaced name does not
// compile.
template <class Layout, class... N>
consteval std::array<NamedField, sizeof...(N)> table(N... fields) {
  static_assert(sizeof...(N) == Layout::size);
  const std::array<NamedField, sizeof...(N)> all{fields...};
  for (std::size_t i = 0; i < all.size(); ++i) {
    base::check(base::FieldBits{all[i].hi, all[i].lo, all[i].address} == Layout::bits[i]);
  }
  return all;
}

} // namespace sluice::arch::names::detail

#pragma once

#include <sluice/advise/calls.hpp>

#include <cstddef>
#include <string_view>

namespace sluice::advise {

// Where a member of a plain structure is.
template <class S, class M>
std::size_t offset_of(M S::*member) {
  static const S structure{};
  return static_cast<std::size_t>(reinterpret_cast<const char*>(&(structure.*member)) -
                                  reinterpret_cast<const char*>(&structure));
}

template <class S, class M>
Field field(std::string_view name, M S::*member, Field::Way way = Field::Way::in) {
  return {name, offset_of(member), sizeof(M), way};
}

} // namespace sluice::advise

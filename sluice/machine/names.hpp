#pragma once

#include <sluice/hosted/enumerators.hpp>
#include <sluice/model/idr.hpp>

#include <cstddef>
#include <string_view>

namespace sluice::machine {

// Why an SMMU is refused, as it is written in idr.hpp.
constexpr std::string_view name(model::Refusal refusal) {
  return hosted::enumerators<model::Refusal, 256>[static_cast<std::size_t>(refusal)];
}
static_assert(name(model::Refusal::no_stage) == "no_stage");

} // namespace sluice::machine

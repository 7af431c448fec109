#pragma once

#include <sluice/model/idr.hpp>

#include <string_view>

// Why an SMMU is refused, for people, spelled as in the source.
namespace sluice::machine {

std::string_view name(model::Refusal refusal);

} // namespace sluice::machine

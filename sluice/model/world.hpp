#pragma once

#include <cstdint>

namespace sluice::model {

// 3.3.3 StreamWorld of a Non-secure stream
enum class World : std::uint8_t { el1, el2, el2_e2h };

// Two TTBs, ASIDs and two privilege levels; NS-EL2 has neither.
constexpr bool two_halves(World world) { return world != World::el2; }

} // namespace sluice::model

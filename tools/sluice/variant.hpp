#pragma once

#include <string>
#include <string_view>

namespace sluice::tool {

// The fault that this program was built with, as tests/mutants/break-<fault>.patch says; none in the program as it is.
inline constexpr std::string_view built_with{};

// Whether a fault is one of the driver's own code, so that it takes a program built with it.
bool needs_variant(std::string_view fault);
// Becomes the program that was built with the fault, if `./run demo --break` has made it. Returns only if there is
// none.
void become_variant(std::string_view fault, char** arguments);

} // namespace sluice::tool

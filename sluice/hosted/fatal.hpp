#pragma once

#include <string>

namespace sluice::hosted {

// Ends the process with a message: for a wait that cannot end and for a caller that broke a promise, where no error can
// be handed back.
[[noreturn]] void fatal(const std::string& message);

} // namespace sluice::hosted

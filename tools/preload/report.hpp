#pragma once

namespace sluice::preload {

// One line on the program's stderr.
[[gnu::format(printf, 1, 2)]] void report(const char* format, ...);

} // namespace sluice::preload

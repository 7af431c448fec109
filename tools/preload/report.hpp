#pragma once

namespace sluice::preload {

// What the process ends with when it cannot be on the machine that was asked for; env(1) and others use it likewise.
inline constexpr int cannot_start = 125;

// One line on the program's stderr.
[[gnu::format(printf, 1, 2)]] void report(const char* format, ...);
// The same, and the end of the process.
[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...);

} // namespace sluice::preload

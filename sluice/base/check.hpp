#pragma once

namespace sluice::base {

// Stops at a broken promise of our own code: a compile error in constant evaluation, a trap at run time. Never for
// input.
constexpr void check(bool holds) {
  if (!holds) [[unlikely]] {
    __builtin_trap();
  }
}

} // namespace sluice::base

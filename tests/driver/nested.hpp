#pragma once

#include "guest.hpp"

namespace sluice::test {

// A guest with a device of its own.
struct Nested : Guest {
  using Guest::Guest;
  arch::Ste ste() { return *m.ste(sid); }
};

} // namespace sluice::test

#pragma once

#include <sluice/scenario/operation.hpp>

#include <cstddef>
#include <functional>
#include <vector>

namespace sluice::scenario {

struct Shrunk {
  std::vector<Operation> operations;
  std::size_t tries{};
  bool smallest{}; // without any one of them it fails no more; else the tries have run out
};

// Delta debugging: a part of `operations` that still fails. `fails` is asked for at most `tries` parts, never for the
// whole, which fails.
Shrunk shrink(std::vector<Operation> operations, const std::function<bool(const std::vector<Operation>&)>& fails,
              std::size_t tries);

} // namespace sluice::scenario

#include <sluice/scenario/shrink.hpp>

#include <algorithm>

namespace sluice::scenario {

namespace {

std::vector<Operation> without(const std::vector<Operation>& all, std::size_t from, std::size_t to) {
  std::vector<Operation> rest(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(from));
  rest.insert(rest.end(), all.begin() + static_cast<std::ptrdiff_t>(to), all.end());
  return rest;
}

} // namespace

// A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), with complements alone.
Shrunk shrink(std::vector<Operation> operations, const std::function<bool(const std::vector<Operation>&)>& fails,
              std::size_t tries) {
  Shrunk result{std::move(operations), 0, false};
  std::vector<Operation>& all = result.operations;
  std::size_t piece = (all.size() + 1) / 2;
  while (!all.empty()) {
    bool removed = false;
    // From the end: what came after the failure goes first.
    for (std::size_t to = all.size(); to > 0;) {
      const std::size_t from = to > piece ? to - piece : 0;
      if (result.tries == tries) {
        return result;
      }
      ++result.tries;
      auto rest = without(all, from, to);
      if (fails(rest)) {
        all = std::move(rest);
        removed = true;
      }
      to = from;
    }
    if (!removed && piece == 1) {
      break;
    }
    piece = removed ? std::clamp<std::size_t>(piece, 1, std::max<std::size_t>(1, all.size())) : (piece + 1) / 2;
  }
  result.smallest = true;
  return result;
}

} // namespace sluice::scenario

#pragma once

#include <sluice/differential/case.hpp>
#include <sluice/differential/ram.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::differential {

// The other SMMU.
class Rival {
public:
  virtual Ram& ram() = 0;
  // The case's words are in the RAM. `expected`: where a write is looked for first.
  virtual Seen run(const Case& c, std::optional<std::uint64_t> expected) = 0;
  // Empty while it works.
  virtual std::string failure() = 0;

protected:
  ~Rival() = default;
};

} // namespace sluice::differential

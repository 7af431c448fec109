#pragma once

#include <array>
#include <cstdint>

namespace sluice::platform {

enum class Severity : std::uint8_t { debug, info, warning, error };

// What happened, as numbers: the core holds no text. `code` is an enumerator of the layer that wrote it; hosted code
// prints it.
enum class Source : std::uint8_t { driver, iommu, pagetable };

struct Note {
  Severity severity{};
  Source source{};
  std::uint16_t code{};
  std::array<std::uint64_t, 4> args{};
};

class Log {
public:
  // Called with locks held and interrupts off: never waits.
  virtual void write(const Note& note) = 0;

protected:
  ~Log() = default;
};

} // namespace sluice::platform

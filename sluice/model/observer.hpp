#pragma once

#include <cstdint>

namespace sluice::model {

// Something that an SMMU can raise, by the table that lists it in conditions.hpp.
struct Condition {
  enum class Kind : std::uint8_t { refusal, bad_ste, bad_cd, illegal_command, place, software_fault, stale_use };
  Kind kind{};
  std::uint16_t number{}; // of the enumerator or place; of an illegal command see illegal_command()

  friend constexpr bool operator==(const Condition&, const Condition&) = default;
};

// By Knobs::observer: is told of each condition that is met, by any thread and with locks held, so that it may call
// nothing of the SMMU. Nobody is asked on the way of an access that is served.
class Observer {
public:
  virtual void met(const Condition& condition) = 0;

protected:
  ~Observer() = default;
};

} // namespace sluice::model

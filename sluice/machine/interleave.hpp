#pragma once

#include <sluice/hosted/random.hpp>
#include <sluice/hosted/seeded.hpp>

#include <cstdint>

namespace sluice::machine {

// Gives other actors of a seeded schedule a turn where hardware meets software: at registers, and between the reads of
// a structure. Without a seed it does nothing, and under an explorer every operation is such a place already.
class Interleave {
public:
  // Null: none.
  Interleave(hosted::SeededSchedule* schedule, std::uint64_t seed) : schedule_{schedule}, random_{seed} {}

  void at_register() { maybe(2); }
  void at_structure() { maybe(16); }
  void at_data() { maybe(64); }

private:
  void maybe(std::uint32_t one_in) {
    if (schedule_ != nullptr && random_.one_in(one_in)) {
      schedule_->preempt();
    }
  }

  hosted::SeededSchedule* schedule_;
  hosted::Random random_; // of the actor that runs
};

} // namespace sluice::machine

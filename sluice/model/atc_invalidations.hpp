#pragma once

#include <sluice/model/bus.hpp>

#include <array>
#include <cstdint>

namespace sluice::model {

// 3.9.1.4: the Invalidation Requests that endpoints have not completed. Of whoever is at work.
class AtcInvalidations {
public:
  static constexpr std::size_t most = 32; // ITags

  bool any() const { return under_way_ != 0; }
  bool full() const { return under_way_ == most; }

  // Where it is not full.
  AtcAnswer send(Bus& bus, AtcInvalidation invalidation, std::uint64_t now_ns) {
    while (slots_[next_].used) {
      next_ = (next_ + 1) % most;
    }
    invalidation.tag = static_cast<std::uint8_t>(next_);
    const AtcAnswer answer = bus.invalidate_atc(invalidation);
    if (answer == AtcAnswer::pending) {
      slots_[next_] = {true, invalidation.stream_id, now_ns};
      ++under_way_;
      next_ = (next_ + 1) % most; // a late answer meets no new request as long as possible
    }
    return answer;
  }

  // Asks after all; those that are over are forgotten.
  struct Over {
    unsigned completed{}, timed_out{};
  };
  Over ask(Bus& bus, std::uint64_t now_ns, std::uint64_t limit_ns) {
    Over over;
    for (std::size_t tag = 0; tag < most; ++tag) {
      Slot& slot = slots_[tag];
      if (!slot.used) {
        continue;
      }
      if (bus.atc_completed(slot.stream_id, static_cast<std::uint8_t>(tag))) {
        ++over.completed;
      } else if (now_ns - slot.since_ns >= limit_ns) {
        ++over.timed_out;
      } else {
        continue;
      }
      slot.used = false;
      --under_way_;
    }
    failed_ = failed_ || over.timed_out != 0;
    return over;
  }

  // Whether one has timed out since the last call.
  bool take_failure() {
    const bool was = failed_;
    failed_ = false;
    return was;
  }

private:
  struct Slot {
    bool used{};
    std::uint32_t stream_id{};
    std::uint64_t since_ns{};
  };

  std::array<Slot, most> slots_{}; // by ITag
  std::size_t next_{0};
  std::size_t under_way_{0};
  bool failed_{};
};

} // namespace sluice::model

#pragma once

#include <sluice/differential/contest.hpp>
#include <sluice/hosted/arena.hpp>

#include <cstddef>
#include <functional>

namespace sluice::differential::test {

// Zeroed; only pages that are used take memory.
class Memory {
public:
  Ram& ram() { return ram_; }

private:
  hosted::Arena arena_{{.size = area::ram_end - area::ram, .bus_base = area::ram}};
  Ram ram_{static_cast<std::byte*>(arena_.at(area::ram, area::ram_end - area::ram).value())};
};

inline model::Knobs lenient() {
  model::Knobs k;
  k.reserved_bits_illegal = false;
  return k;
}

// Another model in QEMU's place, with a way to do something else. It has none of QEMU's departures.
class Twin final : public Rival {
public:
  explicit Twin(Version version) : model_{features_of(version), lenient(), memory_.ram()} {}

  Ram& ram() override { return memory_.ram(); }
  Seen run(const Case& c, std::optional<std::uint64_t>) override {
    ++runs;
    const Answer answer = model_.run(c);
    strayed = strayed || answer.strayed;
    if (answer.seen.landed) {
      ram().put32(*answer.seen.landed, marker);
    }
    Seen seen = answer.seen;
    if (changed) {
      changed(c, seen);
    }
    return seen;
  }
  std::string failure() override { return broken; }

  std::function<void(const Case&, Seen&)> changed;
  std::string broken;
  unsigned runs{};
  bool strayed{}; // some case led to what is no memory

private:
  Memory memory_;
  Ours model_;
};

} // namespace sluice::differential::test

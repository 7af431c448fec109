#pragma once

#include <sluice/differential/departures.hpp>
#include <sluice/differential/generator.hpp>
#include <sluice/differential/rival.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sluice::differential {

// A difference that is put in on purpose: in what our model reads.
enum class Plant : std::uint8_t {
  none,
  permission, // one bit: the leaf forbids writes (stage 1), or permits them (stage 2), if it did not
  level,      // the table before the leaf is taken for a leaf
};

inline constexpr std::uint64_t all_cases = ~0ULL;

// Case n has a linear stream table if n is even, and one of two levels if it is odd.
struct ContestOptions {
  std::uint64_t seed{1};
  std::uint64_t cases{15'000};
  std::uint32_t stream_id{};
  Version version{Version::qemu7};
  Plant plant{Plant::none};
  std::size_t keep{20};          // unexplained differences; with that many it ends
  std::uint64_t only{all_cases}; // the number of the one case that is to be run
};

// A case in which QEMU does not do what was expected of it.
struct Difference {
  Case c;
  Answer ours;
  Seen expected; // with all departures
  Seen theirs;
  std::vector<const Departure*> used;
};

struct Tally {
  std::uint64_t cases{};
  std::uint64_t translated{}; // by both, to the same address
  std::map<arch::EventType, std::uint64_t> ours, theirs;
};

struct ContestReport {
  std::uint64_t cases{};     // compared
  std::uint64_t left_out{};  // that touch what is no memory
  std::uint64_t fatal{};     // that would have ended the rival, not run
  std::uint64_t same{};      // without any departure
  std::uint64_t explained{}; // by departures
  std::uint64_t unexplained{};
  std::array<Tally, modes> tally{};
  std::map<const Departure*, std::uint64_t> departures;
  std::map<const Departure*, std::vector<Case>> last_words; // some of the fatal ones
  std::vector<Difference> differences;
  std::string failure; // of the rival

  std::uint64_t raised(arch::EventType type) const; // by the rival
};

model::Features features_of(Version version);

// The same memory for both. `progress` gets the number of cases done, now and then.
ContestReport contest(Rival& rival, const ContestOptions& options,
                      const std::function<void(std::uint64_t)>& progress = {});
// Whether the rival ends itself over the case. It is of no use afterwards if it does.
bool ends(Rival& rival, const Case& c);

// One thing that has to be so of a contest.
struct Verdict {
  std::string_view name;
  std::string_view sentence;
  bool holds{};
  std::string seen;
};
// What QEMU of this version can record.
std::span<const arch::EventType> events_of(Version version);
// A contest of fewer cases than usual is asked for fewer events.
std::vector<Verdict> verdicts(const ContestReport& report, const ContestOptions& options);

} // namespace sluice::differential

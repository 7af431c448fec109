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
  permission, // the bit of the leaf that forbids writes (stage 1) or permits them (stage 2)
  level,      // the table before the leaf is taken for a leaf
};

inline constexpr std::uint64_t all_cases = ~0ULL;

// Case n has a linear stream table if n is even, and one of two levels if it is odd.
struct ContestOptions {
  std::uint64_t seed{1};
  std::uint64_t cases{10'000};
  std::uint32_t stream_id{};
  Version version{Version::qemu7};
  Plant plant{Plant::none};
  std::size_t keep{20};          // of the unexplained differences
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
  std::uint64_t translated{}; // by both
  std::map<arch::EventType, std::uint64_t> ours, theirs;
};

struct ContestReport {
  std::uint64_t seed{};
  std::uint64_t cases{};
  std::uint64_t left_out{}; // that would have touched devices
  std::uint64_t fatal{};    // that would have ended the rival
  std::uint64_t same{};     // without any departure
  std::array<Tally, modes> tally{};
  std::map<std::string_view, std::uint64_t> flaws;
  std::map<const Departure*, std::uint64_t> departures;
  std::map<const Departure*, Case> last_words; // a case for each that ends the rival, not run
  std::uint64_t unexplained{};
  std::vector<Difference> differences;
  std::string failure; // of the rival

  std::uint64_t raised(arch::EventType type) const;
};

// The same model and memory for both. `progress` gets the number of cases done, now and then.
ContestReport contest(Rival& rival, const ContestOptions& options,
                      const std::function<void(std::uint64_t)>& progress = {});

} // namespace sluice::differential

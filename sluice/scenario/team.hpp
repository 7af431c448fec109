#pragma once

#include <sluice/hosted/actor.hpp>
#include <sluice/scenario/traffic.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace sluice::scenario {

struct TrafficSums {
  std::uint64_t jobs{};
  std::uint64_t moved{}, verified{}; // bytes
  std::uint64_t during{};            // jobs that a change was under way in
  std::uint64_t refused{};           // reads of unmapped memory, as they should be
  std::uint64_t refused_ats{};       // and those of endpoints that ask for translations, which leave no event
  std::uint64_t aborts{};            // all others
};

// The traffic of all streams of a run, in several threads.
class Team {
public:
  Team(hosted::Schedule& schedule, Findings& findings) : schedule_{schedule}, findings_{findings} {}

  // Stream n belongs to thread n modulo `threads`.
  void start(const Site& site, std::vector<Stream>& streams, std::size_t threads, EventBook& events,
             hosted::Random& random);
  // Ends the traffic; its ports stay until clear().
  TrafficSums stop();
  void clear() { traffic_.clear(); }
  std::uint64_t moved() const;

private:
  hosted::Schedule& schedule_;
  Findings& findings_;
  std::vector<std::unique_ptr<Traffic>> traffic_;
  std::vector<hosted::ActorId> actors_;
};

} // namespace sluice::scenario

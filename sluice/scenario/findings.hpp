#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::scenario {

// What a run is judged by.
enum class Rule : std::uint8_t {
  bytes,    // data
  hitless,  // changes, as the endpoints saw them
  unmap,    // unmapped memory
  event,    // events that have to come
  quiet,    // events that must not come
  queues,   // waits, commands and calls
  counts,   // both sides' counters
  stalls,   // accesses that wait
  leaks,    // what is left behind
  stale,    // the model's detector of stale uses
  software, // and of what software must not do
  host,     // the host of guests
  work,     // whether enough was done for the other rules to mean something
};
constexpr std::size_t rules = 13;

// A word for command lines and data, a sentence for people.
std::string_view name(Rule rule);
std::string_view sentence(Rule rule);

struct Check {
  Rule rule{};
  std::uint64_t failures{};
  std::string first; // what was found first, empty if nothing

  bool holds() const { return failures == 0; }
};

// Where all actors of a run report what they find wrong. Any thread.
class Findings {
public:
  void add(Rule rule, std::string what);
  bool any() const { return any_.load(std::memory_order_relaxed); }
  // One per rule, in their order.
  std::vector<Check> checks() const;

private:
  std::atomic<bool> any_{false};
  mutable std::mutex mutex_; // nothing is waited for while it is held
  std::array<Check, rules> checks_{};
};

} // namespace sluice::scenario

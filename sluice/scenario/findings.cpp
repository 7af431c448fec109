#include <sluice/scenario/findings.hpp>

#include <utility>

namespace sluice::scenario {

std::string_view name(Rule rule) {
  constexpr std::array<std::string_view, rules> names{"bytes",    "hitless", "unmap",  "event", "quiet",
                                                      "queues",   "counts",  "stalls", "leaks", "stale",
                                                      "software", "host",    "work"};
  return names.at(static_cast<std::size_t>(rule));
}

std::string_view sentence(Rule rule) {
  constexpr std::array<std::string_view, rules> sentences{
      "each byte came from, and went to, a domain that was attached at that moment",
      "no endpoint saw an abort while domains were replaced under it",
      "no endpoint reached memory that was unmapped before",
      "each refused access left its F_TRANSLATION with StreamID and IOVA",
      "no other event was recorded, and none was lost",
      "no wait ran out and no call or command was refused",
      "driver and SMMU count the same commands, SYNCs and events",
      "each access that waited went on where its page was mapped, and ended where there is none",
      "nothing was left behind: memory, commands, events",
      "the SMMU used nothing that it should have been told to forget",
      "the driver did nothing that the manual forbids",
      "no guest's input disturbed the host: no wait ran out, no command was in error, no event was lost",
      "each kind of change was made while traffic ran",
  };
  return sentences.at(static_cast<std::size_t>(rule));
}

void Findings::add(Rule rule, std::string what) {
  const std::lock_guard guard{mutex_};
  Check& check = checks_.at(static_cast<std::size_t>(rule));
  if (check.failures++ == 0) {
    check.first = std::move(what);
  }
  any_.store(true, std::memory_order_relaxed);
}

std::vector<Check> Findings::checks() const {
  const std::lock_guard guard{mutex_};
  std::vector<Check> result(checks_.begin(), checks_.end());
  for (std::size_t i = 0; i < rules; ++i) {
    result[i].rule = static_cast<Rule>(i);
  }
  return result;
}

} // namespace sluice::scenario

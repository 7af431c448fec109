#pragma once

#include <sluice/driver/counters.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/scenario/findings.hpp>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

// What all runs are judged by when they are over.
namespace sluice::scenario {

struct BothSides {
  std::uint64_t driver{};
  std::uint64_t smmu{};
};
struct Counted {
  std::string_view what;
  BothSides sides;
};

// `whose` begins what is found, where there is more than one driver: "the guest: ".
void judge_counts(Findings& findings, std::initializer_list<Counted> all, std::string_view whose = {});
// Every wait and every command was as it should be. `more`: of what else has to be 0.
void judge_queues(Findings& findings, Rule rule, const driver::Counters& driver, std::uint64_t command_errors,
                  std::uint64_t more = 0, std::string_view whose = {});
// No event got lost. `handed_on`: events that somebody was told of.
void judge_events(Findings& findings, const driver::Counters& driver, std::uint64_t lost, std::uint64_t handed_on,
                  std::string_view whose = {});
void judge_strays(Findings& findings, std::uint64_t strays);
void judge_remains(Findings& findings, const machine::Remains& remains, std::string_view whose = {});

// Without those of rules that the run cannot be judged by.
std::vector<Check> checks_of(const Findings& findings, std::initializer_list<Rule> without);
bool all_hold(std::span<const Check> checks);

} // namespace sluice::scenario

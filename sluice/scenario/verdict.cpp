#include <sluice/scenario/verdict.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace sluice::scenario {

void judge_counts(Findings& findings, std::initializer_list<Counted> all, std::string_view whose) {
  for (const auto& [what, sides] : all) {
    if (sides.driver != sides.smmu) {
      findings.add(Rule::counts,
                   fmt::format("{}{}: the driver counts {}, the SMMU {}", whose, what, sides.driver, sides.smmu));
    }
  }
}

void judge_queues(Findings& findings, Rule rule, const driver::Counters& driver, std::uint64_t command_errors,
                  std::uint64_t more, std::string_view whose) {
  if (driver.timeouts + driver.command_errors + command_errors + driver.global_errors + more != 0) {
    findings.add(rule,
                 fmt::format("{}{} waits ran out, {} commands were in error, {} global errors, {} endpoints were deaf "
                             "or events lost",
                             whose, driver.timeouts, command_errors, driver.global_errors, more));
  }
}

void judge_events(Findings& findings, const driver::Counters& driver, std::uint64_t lost, std::uint64_t handed_on,
                  std::string_view whose) {
  if (driver.events != handed_on) {
    findings.add(Rule::quiet,
                 fmt::format("{}the driver read {} events and handed on {}", whose, driver.events, handed_on));
  }
  if (lost + driver.event_overflows != 0) {
    findings.add(Rule::quiet,
                 fmt::format("{}{} events were lost, in {} overflows", whose, lost, driver.event_overflows));
  }
}

void judge_strays(Findings& findings, std::uint64_t strays) {
  if (strays != 0) {
    findings.add(Rule::bytes, fmt::format("{} accesses of endpoints led to memory that is not theirs", strays));
  }
}

void judge_remains(Findings& findings, const machine::Remains& r, std::string_view whose) {
  if (!r.nothing()) {
    findings.add(Rule::leaks, fmt::format("{}{} bytes of endpoints' memory, {} bytes of tables and queues and {} bytes "
                                          "of objects in {} blocks are left, {} windows and {} contexts",
                                          whose, r.client_bytes, r.driver_dma, r.driver_plain, r.driver_blocks,
                                          r.windows, r.contexts));
  }
  if (!r.queues_idle) {
    findings.add(Rule::leaks,
                 fmt::format("{}commands or events are left in a queue, or a global error is active", whose));
  }
}

std::vector<Check> checks_of(const Findings& findings, std::initializer_list<Rule> without) {
  auto checks = findings.checks();
  std::erase_if(checks, [&](const Check& c) { return std::ranges::find(without, c.rule) != without.end(); });
  return checks;
}

bool all_hold(std::span<const Check> checks) {
  return !checks.empty() && std::ranges::all_of(checks, [](const Check& c) { return c.holds(); });
}

} // namespace sluice::scenario

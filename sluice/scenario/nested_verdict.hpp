#pragma once

#include <sluice/scenario/nested_job.hpp>

namespace sluice::scenario {

// A run that did nothing would hold every rule.
void judge_work(const NestedJobReport& report, bool hostile, Findings& findings);

} // namespace sluice::scenario

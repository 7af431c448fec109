#include <sluice/scenario/long_job.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace sluice::scenario {
namespace {

std::string found(const LongJobReport& report) {
  std::string text;
  for (const Check& c : report.checks) {
    text += c.holds() ? "" : std::string{name(c.rule)} + ": " + c.first + "\n";
  }
  return text;
}
unsigned long env(const char* n, unsigned long d) { const char* s = getenv(n); return s ? strtoul(s, nullptr, 0) : d; }

TEST(LongJob, Probe) {
  LongJobOptions o;
  o.operations = env("OPS", 4000);
  o.actors = (unsigned)env("ACTORS", 1);
  o.seeded = env("SEEDED", 1);
  o.fault = (machine::CommandFault)env("FAULT", 0);
  for (o.seed = env("SEED", 1); o.seed < env("SEED", 1) + env("SEEDS", 1); ++o.seed) {
  const auto report = run_long_job(o);
  EXPECT_TRUE(report.holds()) << o.seed << " " << found(report);
  for (const auto kind : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}) {
    printf("%s %lu ", std::string(name(static_cast<Operation::Kind>(kind))).c_str(), report.counts.done[kind]);
  }
  printf("\nserved %lu refused %lu stalled %lu during %lu unknown %lu replaced %lu refused attaches %lu events %lu sec %f\n", report.counts.served, report.counts.refused, report.counts.stalled, report.counts.during, report.counts.unknown, report.counts.replaced, report.counts.refused_attaches, report.events, report.seconds);
  }
}

} // namespace
} // namespace sluice::scenario

#include <sluice/scenario/long_job.hpp>
#include <sluice/scenario/shrink.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <tuple>

namespace sluice::scenario {
namespace {

std::string found(const LongJobReport& report) {
  std::string text;
  for (const Check& c : report.checks) {
    text += c.holds() ? "" : std::string{name(c.rule)} + ": " + c.first + "\n";
  }
  return text;
}

std::uint64_t done(const LongJobReport& report, Operation::Kind kind) {
  return report.counts.done[static_cast<std::size_t>(kind)];
}

std::string numbers(const LongJobReport& r) {
  std::string text;
  for (const auto n : r.counts.done) {
    text += std::to_string(n) + " ";
  }
  for (const auto n : {r.counts.served, r.counts.refused, r.counts.stalled, r.events, r.driver.commands, r.driver.syncs,
                       r.smmu.atc_invalidations}) {
    text += std::to_string(n) + " ";
  }
  return text;
}

// With one actor each access has one right answer; with more, changes go on meanwhile.
class LongJob : public testing::TestWithParam<std::tuple<std::uint32_t, std::uint64_t>> {
protected:
  static LongJobOptions options() {
    return {.seed = std::get<1>(GetParam()), .operations = 3000, .actors = std::get<0>(GetParam())};
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, LongJob,
                         testing::Combine(testing::Values(1U, 4U), testing::Range<std::uint64_t>(1, 4)));

TEST_P(LongJob, HoldsInASeededOrder) {
  const auto report = run_long_job(options());
  EXPECT_TRUE(report.holds()) << found(report);
  EXPECT_EQ(report.stale_uses, 0U);
  EXPECT_EQ(report.software_faults, 0U);
  EXPECT_EQ(report.events, report.events_explained);
  EXPECT_EQ(report.counts.unknown, 0U);
}

TEST(LongJobWork, IsDoneOfEachKind) {
  const auto report = run_long_job({.seed = 9, .operations = 12000, .actors = 2});
  EXPECT_TRUE(report.holds()) << found(report);
  for (std::size_t i = 0; i < Operation::kinds; ++i) {
    EXPECT_NE(report.counts.done[i], 0U) << name(static_cast<Operation::Kind>(i));
  }
  EXPECT_GT(report.counts.served, 1000U);
  EXPECT_GT(report.counts.refused, 1000U);
  EXPECT_NE(report.counts.stalled, 0U);
  EXPECT_NE(report.counts.during, 0U);
  EXPECT_NE(report.counts.replaced, 0U);
  EXPECT_NE(report.counts.refused_attaches, 0U);
  EXPECT_NE(report.counts.pages_asked, 0U);
  EXPECT_NE(report.counts.pages_served, 0U);
  EXPECT_NE(report.driver.atc_invalidations, 0U);
  EXPECT_NE(report.driver.invalidations_by_range, 0U);
  EXPECT_NE(report.smmu.broadcasts, 0U);
  EXPECT_NE(report.driver.asids_moved, 0U) << "a process came with an ASID that a domain had";
  EXPECT_NE(report.counts.guests, 0U);
  EXPECT_NE(report.counts.guests_stes, 0U);
  EXPECT_NE(report.guests_events, 0U);
  // Each group of ours is of one page.
  const auto& pages = report.driver.page_requests;
  EXPECT_EQ(report.driver.stalls + report.driver.pages_requested, pages.groups + pages.refused + pages.overflowed);
  EXPECT_EQ(report.driver.atc_invalidations, report.smmu.atc_invalidations);
}

TEST(LongJobSeeds, OneRepeatsExactlyAndAnotherGoesAnotherWay) {
  const auto with = [](std::uint64_t seed) {
    return numbers(run_long_job({.seed = seed, .operations = 2000, .actors = 3}));
  };
  const std::string first = with(4);
  EXPECT_EQ(first, with(4));
  EXPECT_NE(first, with(5));
}

struct Planted {
  const char* label;
  machine::CommandFault fault;
  std::vector<Rule> by; // one of these finds it
};

void PrintTo(const Planted& planted, std::ostream* out) { *out << planted.label; }

class LongJobFault : public testing::TestWithParam<Planted> {};
INSTANTIATE_TEST_SUITE_P(
    Each, LongJobFault,
    testing::Values(Planted{"Tlbi", machine::CommandFault::tlbi, {Rule::unmap, Rule::bytes, Rule::stale}},
                    Planted{
                        "Cfgi", machine::CommandFault::cfgi, {Rule::hitless, Rule::bytes, Rule::quiet, Rule::stale}},
                    Planted{"Sync", machine::CommandFault::sync, {Rule::counts}},
                    Planted{"Atc", machine::CommandFault::atc, {Rule::unmap, Rule::bytes}},
                    Planted{"Resume", machine::CommandFault::resume, {Rule::queues}}),
    [](const auto& info) { return std::string{info.param.label}; });

TEST_P(LongJobFault, IsFound) {
  const auto report = run_long_job({.seed = 3, .operations = 12000, .fault = GetParam().fault});
  ASSERT_FALSE(report.holds());
  EXPECT_NE(report.spoiled, 0U);
  const auto failed = [&](Rule rule) {
    return std::ranges::any_of(report.checks, [&](const Check& c) { return c.rule == rule && !c.holds(); });
  };
  EXPECT_TRUE(std::ranges::any_of(GetParam().by, failed)) << found(report);
}

// What is left says it all: something is attached and mapped, used, taken away, and used again.
TEST(LongJobFault, ShrinksToAFewOperationsThatFailAgain) {
  const LongJobOptions options{.seed = 7, .operations = 600, .fault = machine::CommandFault::tlbi};
  const auto all = operations_of(options);
  const auto whole = run_operations(options, all);
  ASSERT_FALSE(whole.holds());
  const Rule rule = whole.first_failure()->rule;
  const auto fails = [&](const std::vector<Operation>& part) {
    const auto report = run_operations(options, part);
    return report.first_failure() != nullptr && report.first_failure()->rule == rule;
  };
  const auto shrunk = shrink(all, fails, 40);
  EXPECT_LT(shrunk.operations.size(), all.size() / 4);
  EXPECT_TRUE(fails(shrunk.operations));
}

// Nobody has done anything before, and a list that was written by hand names what is not there.
TEST(LongJobOperations, AreHarmlessByThemselves) {
  for (std::size_t i = 0; i < Operation::kinds; ++i) {
    const std::vector<Operation> alone(3, {static_cast<Operation::Kind>(i), 0, 4711, 815, 65535});
    const auto report = run_operations({.seed = 1}, alone);
    EXPECT_TRUE(report.holds()) << name(static_cast<Operation::Kind>(i)) << found(report);
  }
}

TEST(LongJobThreads, HoldsWithFreeThreads) {
  const auto report = run_long_job({.seed = 5, .operations = 4000, .actors = 3, .seeded = false});
  EXPECT_TRUE(report.holds()) << found(report);
  EXPECT_NE(report.counts.served, 0U);
  EXPECT_NE(done(report, Operation::Kind::attach), 0U);
}

TEST(LongJobThreads, ALostTlbiIsFoundWithFreeThreads) {
  const auto report = run_long_job(
      {.seed = 5, .operations = 20000, .actors = 3, .seeded = false, .fault = machine::CommandFault::tlbi});
  EXPECT_FALSE(report.holds());
}

} // namespace
} // namespace sluice::scenario

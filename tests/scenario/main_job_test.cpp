#include <sluice/scenario/main_job.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sluice::scenario {
namespace {

MainJobOptions seeded(std::uint64_t seed, std::uint64_t changes = 400) {
  MainJobOptions options;
  options.seeded = true;
  options.seed = seed;
  options.changes = changes;
  return options;
}

const Check& check(const MainJobReport& report, Rule rule) { return report.checks.at(static_cast<std::size_t>(rule)); }

std::string failures(const MainJobReport& report) {
  std::string text;
  for (const Check& c : report.checks) {
    if (!c.holds()) {
      text += std::string{name(c.rule)} + ": " + c.first + "\n";
    }
  }
  return text;
}

std::string numbers(const MainJobReport& r) {
  std::string text;
  for (const auto& from : r.changes.replaced) {
    for (const auto n : from) {
      text += std::to_string(n) + " ";
    }
  }
  for (const auto n : {r.changes.maps, r.changes.unmaps, r.changes.reborn, r.traffic.jobs, r.traffic.moved,
                       r.traffic.during, r.traffic.refused, r.commands.driver, r.syncs.driver, r.events.smmu}) {
    text += std::to_string(n) + " ";
  }
  return text;
}

TEST(MainJob, HoldsInASeededOrder) {
  const auto report = run_main_job(seeded(1));
  EXPECT_TRUE(report.holds()) << failures(report);
  EXPECT_GE(report.changes.replaced_in_all(), 400u);
  EXPECT_EQ(report.traffic.moved, report.traffic.verified);
  EXPECT_EQ(report.traffic.aborts, 0u);
}

TEST(MainJob, EveryChangeWasHitlessAsTheDriverSays) {
  const auto report = run_main_job(seeded(2));
  EXPECT_EQ(report.changes.hitless, report.changes.replaced_in_all());
}

TEST(MainJob, EachRefusedReadLeftItsEvent) {
  const auto report = run_main_job(seeded(3));
  EXPECT_NE(report.traffic.refused, 0u);
  EXPECT_EQ(report.traffic.refused, report.events_expected);
  EXPECT_EQ(report.events.smmu, report.events_expected);
}

TEST(MainJob, OneSeedRepeatsExactly) {
  const auto first = run_main_job(seeded(4));
  const auto second = run_main_job(seeded(4));
  EXPECT_EQ(numbers(first), numbers(second));
  EXPECT_EQ(first.seconds, second.seconds);
}

TEST(MainJob, AnotherSeedGoesAnotherWay) {
  EXPECT_NE(numbers(run_main_job(seeded(5))), numbers(run_main_job(seeded(6))));
}

class PlantedFault : public testing::TestWithParam<machine::CommandFault> {};

MainJobReport with_fault(machine::CommandFault fault, std::uint64_t seed) {
  auto options = seeded(seed);
  options.fault = fault;
  return run_main_job(options);
}

TEST_P(PlantedFault, IsFoundInASeededOrder) {
  const auto report = with_fault(GetParam(), 7);
  EXPECT_FALSE(report.holds());
  EXPECT_NE(report.spoiled, 0u);
}

INSTANTIATE_TEST_SUITE_P(Commands, PlantedFault,
                         testing::Values(machine::CommandFault::tlbi, machine::CommandFault::cfgi,
                                         machine::CommandFault::sync));

TEST(PlantedFault, ALostTlbiLetsEndpointsReachUnmappedMemoryOrTheWrongDomain) {
  const auto report = with_fault(machine::CommandFault::tlbi, 8);
  EXPECT_FALSE(check(report, Rule::unmap).holds() && check(report, Rule::bytes).holds()) << failures(report);
}

TEST(PlantedFault, ALostCfgiServesADomainThatIsNoLongerAttached) {
  const auto report = with_fault(machine::CommandFault::cfgi, 8);
  EXPECT_FALSE(check(report, Rule::bytes).holds()) << failures(report);
}

TEST(PlantedFault, ALostSyncIsCountedByOneSideOnly) {
  const auto report = with_fault(machine::CommandFault::sync, 8);
  EXPECT_FALSE(check(report, Rule::counts).holds()) << failures(report);
}

#if defined(SLUICE_EXPLORE)
// Each operation on shared memory may be followed by another actor's, and stores leave their processor late.
MainJobOptions with_store_buffers(std::uint64_t seed) {
  auto options = seeded(seed, 40);
  options.store_buffers = true;
  return options;
}

class MainJobExplore : public testing::TestWithParam<std::uint64_t> {};

TEST_P(MainJobExplore, HoldsWithStoreBuffers) {
  const auto report = run_main_job(with_store_buffers(GetParam()));
  for (const Check& c : report.checks) {
    EXPECT_TRUE(c.holds() || c.rule == Rule::work) << name(c.rule) << ": " << c.first;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MainJobExplore, testing::Range<std::uint64_t>(1, 6));

// The first run of a process also makes what lives as long as its threads, and those are steps for the explorer too.
TEST(MainJobExplore, OneSeedRepeatsExactly) {
  static_cast<void>(run_main_job(with_store_buffers(9)));
  EXPECT_EQ(numbers(run_main_job(with_store_buffers(9))), numbers(run_main_job(with_store_buffers(9))));
}
#endif

TEST(MainJobThreads, HoldsWithFreeThreads) {
  MainJobOptions options;
  options.seconds = 1;
  const auto report = run_main_job(options);
  EXPECT_TRUE(report.holds()) << failures(report);
  EXPECT_NE(report.traffic.during, 0u);
}

TEST(MainJobThreads, ALostTlbiIsFoundWithFreeThreads) {
  MainJobOptions options;
  options.seconds = 5;
  options.fault = machine::CommandFault::tlbi;
  EXPECT_FALSE(run_main_job(options).holds());
}

} // namespace
} // namespace sluice::scenario

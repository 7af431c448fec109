#include <sluice/arch/registers.hpp>
#include <sluice/scenario/nested_job.hpp>

#include <gtest/gtest.h>

#include <string>

// A guest's driver on a virtual SMMU on the host's driver, and beside it a guest that does what no driver does.
namespace sluice::scenario {
namespace {

NestedJobOptions nested_in_order(std::uint64_t seed, std::uint64_t changes = 200) {
  NestedJobOptions options;
  options.seeded = true;
  options.seed = seed;
  options.changes = changes;
  return options;
}

std::string what_failed(const NestedJobReport& report) {
  std::string text;
  for (const Check& c : report.checks) {
    text += c.holds() ? "" : std::string{name(c.rule)} + ": " + c.first + "\n";
  }
  return text;
}

std::string nested_numbers(const NestedJobReport& r) {
  std::string text;
  for (const auto n :
       {r.changes.replaced_in_all(), r.changes.maps, r.changes.unmaps, r.traffic.jobs, r.traffic.moved,
        r.traffic.during, r.traffic.refused, r.commands.smmu, r.events.smmu, r.guest.placed, r.guest.invalidations,
        r.other.commands, r.other.command_errors, r.hostile.dma_aborted, r.host.commands, r.hardware.events_recorded}) {
    text += std::to_string(n) + " ";
  }
  return text;
}

TEST(NestedJob, HoldsInASeededOrder) {
  const auto report = run_nested_job(nested_in_order(1));
  EXPECT_TRUE(report.holds()) << what_failed(report);
  EXPECT_EQ(report.traffic.moved, report.traffic.verified);
  EXPECT_EQ(report.changes.hitless, report.changes.replaced_in_all());
  EXPECT_EQ(report.host.changes_disruptive, 0u);
}

TEST(NestedJob, EachRefusedReadBecameTheGuestsEvent) {
  const auto report = run_nested_job(nested_in_order(2));
  EXPECT_NE(report.traffic.refused, 0u);
  EXPECT_EQ(report.traffic.refused, report.events_expected);
  EXPECT_EQ(report.guest.losses, 0u);
}

TEST(NestedJob, DevicesWithAtcsUseNothingThatIsUnmapped) {
  const auto report = run_nested_job(nested_in_order(5, 300));
  EXPECT_TRUE(report.holds()) << what_failed(report);
  EXPECT_NE(report.traffic.refused_ats, 0u);
  EXPECT_NE(report.hardware.atc_invalidations, 0u);
  EXPECT_EQ(report.hardware.atc_timeouts, 0u);
}

TEST(NestedJob, PasidsHaveDomainsOfTheGuestsAndOfItsProcesses) {
  const auto report = run_nested_job(nested_in_order(6, 300));
  EXPECT_TRUE(report.holds()) << what_failed(report);
  const auto replaced = [&](Kind from, Kind to) {
    return report.changes.replaced.at(static_cast<std::size_t>(from)).at(static_cast<std::size_t>(to));
  };
  EXPECT_NE(replaced(Kind::process, Kind::process), 0u);
  EXPECT_NE(replaced(Kind::stage1, Kind::process), 0u);
  EXPECT_EQ(replaced(Kind::process, Kind::identity), 0u);
}

TEST(NestedJob, AccessesThatStallAreAnsweredByTheGuestOnceEach) {
  const auto report = run_nested_job(nested_in_order(11, 300));
  EXPECT_TRUE(report.holds()) << what_failed(report);
  const StallCounts& s = report.stalls;
  EXPECT_NE(s.served, 0u);
  EXPECT_NE(s.refused, 0u);
  EXPECT_EQ(s.stalled, s.served + s.refused + s.ended);
  EXPECT_LE(report.guest.stalls_answered, report.guest.stalls);
  EXPECT_GE(report.guest.stalls_answered, s.served + s.refused);
}

// Without ranges, BBML, ASIDs of 16 bits, large granules and two-level CD tables, which the host itself has.
TEST(NestedJob, AGuestThatMayMoveRunsOnWhatBothHostsHave) {
  vsmmu::HostFacts small;
  small.info.idr[0] = arch::IDR0{}
                          .with(arch::IDR0::S1P, 1)
                          .with(arch::IDR0::TTF, arch::Ttf::aarch64)
                          .with(arch::IDR0::ATS, 1)
                          .with(arch::IDR0::TTENDIAN, arch::TtEndian::little)
                          .raw();
  small.info.idr[1] = arch::IDR1{}.with(arch::IDR1::SIDSIZE, 16).with(arch::IDR1::SSIDSIZE, 9).raw();
  small.info.idr[5] = arch::IDR5{}.with(arch::IDR5::GRAN4K, 1).raw();
  small.max_pasid_log2 = 9;
  NestedJobOptions options = nested_in_order(13, 300);
  options.elsewhere = small;
  const auto report = run_nested_job(options);
  EXPECT_TRUE(report.holds()) << what_failed(report);
  EXPECT_NE(report.traffic.verified, 0u);
}

TEST(NestedJob, TheHwptOfTheGuestsMemoryIsReplacedUnderTraffic) {
  const auto report = run_nested_job(nested_in_order(8, 400));
  EXPECT_TRUE(report.holds()) << what_failed(report);
  EXPECT_GT(report.parents_replaced, 1u);
  EXPECT_EQ(report.traffic.aborts, 0u);
  EXPECT_EQ(report.host.changes_disruptive, 0u);
}

TEST(NestedJob, ItsSmmuIsSavedAndRestoredUnderTraffic) {
  const auto report = run_nested_job(nested_in_order(9, 400));
  EXPECT_TRUE(report.holds()) << what_failed(report);
  EXPECT_GT(report.restored, 1u);
}

TEST(NestedJob, TheHostileGuestDoesEverythingAndDisturbsNobody) {
  const auto report = run_nested_job(nested_in_order(3, 400));
  EXPECT_TRUE(report.holds()) << what_failed(report);
  EXPECT_NE(report.other.command_errors, 0u);
  EXPECT_NE(report.other.syncs, 0u);
  EXPECT_NE(report.other.events, 0u);
  EXPECT_NE(report.hostile.dma_aborted, 0u);
  EXPECT_EQ(report.hardware.command_errors, 0u) << "none of its commands reached the hardware as it was";
}

// All guests' events come through one queue of the host's.
TEST(NestedJob, AStormOfOneGuestsFaultsCostsAnotherNoEvent) {
  auto options = nested_in_order(10, 400);
  options.storm = 16;
  const auto report = run_nested_job(options);
  EXPECT_TRUE(report.holds()) << what_failed(report);
  EXPECT_GT(report.hostile.storms, 10u);
  EXPECT_NE(report.host.guests_cut_off, 0u);
  EXPECT_EQ(report.traffic.refused, report.events_expected);
  EXPECT_EQ(report.host.event_overflows, 0u);
}

TEST(NestedJob, OneSeedRepeatsExactly) {
  EXPECT_EQ(nested_numbers(run_nested_job(nested_in_order(4))), nested_numbers(run_nested_job(nested_in_order(4))));
}

class NestedFault : public testing::TestWithParam<machine::HostFault> {};

TEST_P(NestedFault, IsFound) {
  auto options = nested_in_order(7, 1000);
  options.fault = GetParam();
  EXPECT_FALSE(run_nested_job(options).holds());
}

INSTANTIATE_TEST_SUITE_P(OfTheHost, NestedFault,
                         testing::Values(machine::HostFault::tlbi, machine::HostFault::cfgi, machine::HostFault::atc,
                                         machine::HostFault::s1, machine::HostFault::s2, machine::HostFault::walk));

TEST(NestedJobThreads, HoldsWithFreeThreads) {
  NestedJobOptions options;
  options.seconds = 60;
  options.changes = 300;
  const auto report = run_nested_job(options);
  EXPECT_TRUE(report.holds()) << what_failed(report);
}

} // namespace
} // namespace sluice::scenario

#include <ports/qemu/differential.hpp>
#include <ports/qemu/rival.hpp>

#include <gtest/gtest.h>

namespace sluice::ports::qemu {
namespace {

using differential::Plant;

DifferentialOptions options(std::uint64_t cases) {
  DifferentialOptions o;
  o.contest.cases = cases;
  return o;
}

TEST(Differential, QEMUDiffersFromTheModelOnlyAsListed) {
  const auto report = run_differential(options(300));
  EXPECT_EQ(report.contest.failure, "");
  EXPECT_EQ(report.contest.unexplained, 0U);
  EXPECT_GT(report.contest.same, 150U);
  EXPECT_FALSE(report.contest.departures.empty());
}

TEST(Differential, APlantedDifferenceIsFoundAtOnce) {
  for (const Plant plant : {Plant::permission, Plant::level}) {
    auto o = options(300);
    o.contest.plant = plant;
    o.contest.keep = 1;
    const auto report = run_differential(o);
    EXPECT_EQ(report.contest.unexplained, 1U);
    EXPECT_LT(report.contest.cases, 50U);
    EXPECT_FALSE(report.passed());
  }
}

// The data and the addresses that cases are judged by are the device's.
TEST(Differential, TheDeviceReadsAndWritesWhereAnSTEWithoutTranslationLetsItTo) {
  Rival rival{{}};
  differential::Case c;
  c.stream_id = rival.stream_id();
  c.base.set(arch::STRTAB_BASE::ADDR, differential::area::window);
  c.cfg.set(arch::STRTAB_BASE_CFG::LOG2SIZE, 6);
  c.ste_at = differential::area::window + 64ULL * c.stream_id;
  rival.ram().put(c.ste_at, arch::Ste{}.set(arch::Ste::V, 1).set(arch::Ste::Config, arch::SteConfig::bypass).w[0]);
  c.iova = 0x4300'0040;
  rival.ram().put(c.iova, 0x1234'5678);
  EXPECT_EQ(rival.run(c, {}).value, 0x1234'5678U);
  c.write = true;
  EXPECT_EQ(rival.run(c, {}).landed, c.iova);
  EXPECT_EQ(rival.ram().get32(c.iova), differential::marker);
  EXPECT_EQ(rival.failure(), "");
}

} // namespace
} // namespace sluice::ports::qemu

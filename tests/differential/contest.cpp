#include "fake.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace sluice::differential::test {
namespace {

ContestOptions options(Version version, std::uint64_t cases = 600) {
  ContestOptions o;
  o.version = version;
  o.cases = cases;
  o.stream_id = 0x28;
  return o;
}

TEST(Contest, AModelDoesWhatAModelDoes) {
  for (const Version version : {Version::qemu7, Version::qemu11}) {
    Twin twin{version};
    const auto report = contest(twin, options(version));
    EXPECT_EQ(report.same, report.cases);
    EXPECT_EQ(report.unexplained, 0U);
    EXPECT_TRUE(report.departures.empty());
    EXPECT_EQ(report.cases + report.left_out + report.fatal, 600U);
  }
}

TEST(Contest, LeavesTheMemoryAsItFoundIt) {
  Twin twin{Version::qemu11};
  contest(twin, options(Version::qemu11));
  for (std::uint64_t at = area::window; at < area::targets; at += 8) {
    ASSERT_EQ(twin.ram().get(at), 0U) << std::hex << at;
  }
  for (unsigned n = 0; n < target_pages; ++n) {
    for (std::uint64_t at = target_page(n); at < target_page(n) + 0x1000; at += 8) {
      ASSERT_EQ(twin.ram().get(at), at);
    }
  }
}

TEST(Contest, OneOtherBitOfARecordIsADifference) {
  Twin twin{Version::qemu11};
  twin.changed = [](const Case& c, Seen& seen) {
    if (c.number >= 100 && !seen.events.empty()) {
      seen.events[0].w[1] ^= 1ULL << 36; // reserved
    }
  };
  auto o = options(Version::qemu11);
  o.keep = 1;
  const auto report = contest(twin, o);
  ASSERT_EQ(report.differences.size(), 1U);
  EXPECT_GE(report.differences[0].c.number, 100U);
  EXPECT_FALSE(verdicts(report, o)[0].holds);
}

TEST(Contest, AWriteThatArrivesElsewhereIsADifference) {
  Twin twin{Version::qemu7};
  twin.changed = [](const Case&, Seen& seen) {
    if (seen.landed) {
      *seen.landed ^= 0x1000;
    }
  };
  auto o = options(Version::qemu7);
  o.keep = 1;
  EXPECT_EQ(contest(twin, o).unexplained, 1U);
}

TEST(Contest, ADepartureThatIsNotThisQEMUsExplainsNothing) {
  Twin twin{Version::qemu11};
  std::uint64_t changed = 0;
  twin.changed = [&](const Case&, Seen& seen) { // no-class of QEMU 7.2
    for (auto& e : seen.events) {
      if (e.get(arch::Event::Type) == arch::EventType::F_TRANSLATION && e.get(arch::Event::S2) == 0) {
        e.set(arch::Event::CLASS, arch::EventClass::cd);
        ++changed;
      }
    }
  };
  auto o = options(Version::qemu11);
  o.keep = 1000;
  const auto report = contest(twin, o);
  EXPECT_EQ(report.explained, 0U);
  EXPECT_GT(changed, 10U);
}

TEST(Contest, ACaseThatLeadsToWhatIsNoMemoryIsNotRun) {
  Twin twin{Version::qemu11};
  EXPECT_GT(contest(twin, options(Version::qemu11, 3000)).left_out, 0U);
  EXPECT_FALSE(twin.strayed);
}

TEST(Contest, ADepartureIsCountedWhereItExplains) {
  Twin twin{Version::qemu7};
  twin.changed = [](const Case&, Seen& seen) {
    for (auto& e : seen.events) {
      if (e.get(arch::Event::Type) == arch::EventType::F_CD_FETCH) {
        std::swap(e.w[2], e.w[3]);
      }
    }
  };
  const auto report = contest(twin, options(Version::qemu7, 2000));
  EXPECT_EQ(report.unexplained, 0U);
  ASSERT_EQ(report.departures.size(), 1U);
  EXPECT_EQ(report.departures.begin()->first->name, "cd-fetch-address");
  EXPECT_EQ(report.departures.begin()->second, report.explained);
  EXPECT_GT(report.explained, 10U);
}

TEST(Contest, APlantedDifferenceIsFoundAtOnce) {
  for (const Plant plant : {Plant::permission, Plant::level}) {
    for (const Version version : {Version::qemu7, Version::qemu11}) {
      Twin twin{version};
      auto o = options(version);
      o.plant = plant;
      o.keep = 1;
      const auto report = contest(twin, o);
      EXPECT_EQ(report.unexplained, 1U);
      EXPECT_LT(twin.runs, 50U);
    }
  }
}

TEST(Contest, ACaseThatEndsQEMUIsNotRunAndKept) {
  Twin twin{Version::qemu11};
  twin.changed = [](const Case& c, Seen&) { EXPECT_EQ(fatal(Version::qemu11, c), nullptr); };
  const auto report = contest(twin, options(Version::qemu11, 3000));
  EXPECT_GT(report.fatal, 0U);
  ASSERT_EQ(report.last_words.size(), 2U);
  for (const auto& [departure, cases] : report.last_words) {
    EXPECT_EQ(departure->kind, Departure::Kind::fatal);
    EXPECT_FALSE(cases.empty());
  }
  EXPECT_EQ(twin.runs + report.fatal + report.left_out, 3000U);
}

TEST(Contest, ARivalThatBreaksEndsItWithTheNumberOfTheCase) {
  Twin twin{Version::qemu7};
  twin.changed = [&](const Case& c, Seen&) { twin.broken = c.number == 40 ? "gone" : ""; };
  const auto report = contest(twin, options(Version::qemu7));
  EXPECT_EQ(report.failure, "case 40: gone");
  EXPECT_FALSE(verdicts(report, options(Version::qemu7))[0].holds);
}

TEST(Contest, OneCaseCanBeRunAlone) {
  Twin twin{Version::qemu11};
  std::uint64_t seen = 0;
  twin.changed = [&](const Case& c, Seen&) { seen = c.number; };
  auto o = options(Version::qemu11);
  o.only = 123;
  EXPECT_EQ(contest(twin, o).cases, 1U);
  EXPECT_EQ(seen, 123U);
}

TEST(Contest, TooFewTranslationsOrEventsAreSaid) {
  Twin twin{Version::qemu11};
  const auto good = options(Version::qemu11, 3000);
  auto report = contest(twin, good);
  for (const Verdict& v : verdicts(report, good)) {
    EXPECT_TRUE(v.holds) << v.name << ": " << v.seen;
  }
  for (Tally& t : report.tally) {
    t.theirs.erase(arch::EventType::F_CD_FETCH);
  }
  report.tally[static_cast<std::size_t>(Mode::nested)].translated = 1;
  const auto bad = verdicts(report, good);
  EXPECT_FALSE(bad[1].holds);
  EXPECT_FALSE(bad[2].holds);
  EXPECT_NE(bad[2].seen.find("F_CD_FETCH 0 times"), std::string::npos);
}

} // namespace
} // namespace sluice::differential::test

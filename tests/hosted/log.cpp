#include <sluice/hosted/log.hpp>
#include <sluice/hosted/together.hpp>

#include <gtest/gtest.h>

namespace sluice::hosted {
namespace {

platform::Note note(std::uint16_t code, platform::Severity severity = platform::Severity::info) {
  return {.severity = severity, .source = platform::Source::driver, .code = code, .args = {code, 0, 0, 0}};
}

TEST(Log, KeepsNotesInTheirOrder) {
  Log log;
  log.write(note(1));
  log.write(note(2));
  const auto notes = log.notes();
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_EQ(notes[0].code, 1);
  EXPECT_EQ(notes[1].code, 2);
}

TEST(Log, AFullLogDropsTheOldestAndCountsAll) {
  Log log{3};
  for (std::uint16_t i = 0; i < 5; ++i) {
    log.write(note(i));
  }
  EXPECT_EQ(log.notes().front().code, 2);
  EXPECT_EQ(log.notes().size(), 3U);
  EXPECT_EQ(log.dropped(), 2U);
  EXPECT_EQ(log.count(platform::Severity::info), 5U);
}

TEST(Log, CountsEachSeverity) {
  Log log;
  log.write(note(1, platform::Severity::error));
  log.write(note(2, platform::Severity::warning));
  log.write(note(3, platform::Severity::error));
  EXPECT_EQ(log.count(platform::Severity::error), 2U);
  EXPECT_EQ(log.count(platform::Severity::warning), 1U);
  log.clear();
  EXPECT_EQ(log.count(platform::Severity::error), 0U);
}

TEST(Log, ASinkIsToldOfEachNote) {
  Log log;
  std::uint64_t sum = 0;
  log.set_sink([&](const platform::Note& n) { sum += n.args[0]; });
  log.write(note(3));
  log.write(note(4));
  EXPECT_EQ(sum, 7U);
}

TEST(LogThreads, NoNoteIsLost) {
  Log log{10000};
  together(4, [&](unsigned i) {
    for (int n = 0; n < 1000; ++n) {
      log.write(note(static_cast<std::uint16_t>(i)));
    }
  });
  EXPECT_EQ(log.notes().size(), 4000U);
}

} // namespace
} // namespace sluice::hosted

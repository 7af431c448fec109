#include <sluice/scenario/operation.hpp>
#include <sluice/scenario/shrink.hpp>
#include <sluice/scenario/timeline.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace sluice::scenario {
namespace {

std::string seen(const Timeline<char>& line, std::uint64_t first, std::uint64_t last) {
  std::string values;
  return line.between(first, last, [&](char c, std::uint64_t, std::uint64_t) { values += c; }) ? values : "forgotten";
}

TEST(Timeline, HasOneValueWhereNothingChanges) {
  Moments moments;
  const Timeline<char> line{moments, 'a'};
  EXPECT_EQ(seen(line, moments.next(), moments.next()), "a");
}

TEST(Timeline, HasTheOldAndTheNewValueWhileAChangeGoesOn) {
  Moments moments;
  Timeline<char> line{moments, 'a'};
  const auto before = moments.next();
  line.begin('b');
  const auto meanwhile = moments.next();
  EXPECT_EQ(seen(line, meanwhile, meanwhile), "ab");
  line.end();
  const auto after = moments.next();
  EXPECT_EQ(seen(line, before, before), "a");
  EXPECT_EQ(seen(line, meanwhile, after), "ab");
  EXPECT_EQ(seen(line, after, after), "b");
}

TEST(Timeline, KnowsNothingOfAValueThatDidNotComeAbout) {
  Moments moments;
  Timeline<char> line{moments, 'a'};
  line.begin('b');
  const auto meanwhile = moments.next();
  line.cancel();
  EXPECT_EQ(seen(line, meanwhile, moments.next()), "a");
}

TEST(Timeline, SaysWhenItHasForgotten) {
  Moments moments;
  Timeline<char> line{moments, 'a'};
  const auto long_ago = moments.next();
  for (std::size_t i = 0; i < Timeline<char>::most; ++i) {
    line.begin('b');
    line.end();
  }
  EXPECT_EQ(seen(line, long_ago, long_ago), "forgotten");
  EXPECT_EQ(seen(line, moments.next(), moments.next()), "b");
}

TEST(Timeline, TellsFromWhenToWhenWithinWhatWasAsked) {
  Moments moments;
  Timeline<char> line{moments, 'a'};
  line.begin('b');
  line.end();
  const auto first = moments.next();
  line.begin('c');
  line.end();
  const auto last = moments.next();
  line.between(first, last, [&](char c, std::uint64_t from, std::uint64_t until) {
    EXPECT_EQ(from, c == 'b' ? first : first + 1);
    EXPECT_EQ(until, c == 'b' ? last - 1 : last);
  });
}

TEST(TryLock, IsForOneOrForMany) {
  TryLock lock;
  EXPECT_TRUE(lock.share());
  EXPECT_TRUE(lock.share());
  EXPECT_FALSE(lock.take());
  lock.unshare();
  lock.unshare();
  EXPECT_TRUE(lock.take());
  EXPECT_FALSE(lock.share());
  EXPECT_FALSE(lock.take());
  lock.give();
  EXPECT_TRUE(lock.share());
}

const WorldSize size{2, 8, 5, 6, 4, 1, {0, 1, 2}, {2, 3}};

TEST(Operations, AreReadAsTheyAreWritten) {
  for (const Operation& o : draw_operations(size, 3, 500, hosted::Random{1})) {
    EXPECT_EQ(parse_operation(to_text(o)), o);
    EXPECT_EQ(parse_operation(to_text(o) + "  # why"), o);
  }
}

TEST(Operations, ThatAreNoneAreRefused) {
  for (const char* text : {"", "0 attach", "0 attach 1 2", "0 attach 1 2 3 4", "0 fly 1 2 3", "x attach 1 2 3"}) {
    EXPECT_EQ(parse_operation(text), std::nullopt) << text;
  }
}

TEST(Operations, ChangeOnlyTheirActorsTargets) {
  for (const Operation& o : draw_operations(size, 3, 5000, hosted::Random{2})) {
    EXPECT_LT(o.actor, 3U);
    if (o.kind == Operation::Kind::attach || o.kind == Operation::Kind::detach) {
      EXPECT_TRUE(is_of(o.actor, o.first, 3)) << to_text(o);
    }
  }
}

std::vector<Operation> numbered(std::uint32_t count) {
  std::vector<Operation> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    all.push_back({.first = i});
  }
  return all;
}

bool has(const std::vector<Operation>& all, std::uint32_t number) {
  return std::ranges::find(all, number, &Operation::first) != all.end();
}

TEST(Shrinking, FindsTheOperationsThatMatter) {
  const auto shrunk = shrink(
      numbered(1000), [](const auto& part) { return has(part, 17) && has(part, 500) && has(part, 999); }, 1000);
  EXPECT_TRUE(shrunk.smallest);
  ASSERT_EQ(shrunk.operations.size(), 3U);
  EXPECT_EQ(shrunk.operations[0].first, 17U);
  EXPECT_EQ(shrunk.operations[1].first, 500U);
  EXPECT_EQ(shrunk.operations[2].first, 999U);
}

TEST(Shrinking, LeavesNothingWhereNothingMatters) {
  EXPECT_TRUE(shrink(
                  numbered(100), [](const auto&) { return true; }, 1000)
                  .operations.empty());
}

TEST(Shrinking, KeepsEverythingWhereEverythingMatters) {
  const auto shrunk = shrink(
      numbered(20), [](const auto& part) { return part.size() == 20; }, 1000);
  EXPECT_EQ(shrunk.operations.size(), 20U);
  EXPECT_TRUE(shrunk.smallest);
}

TEST(Shrinking, EndsWithItsTries) {
  std::size_t asked = 0;
  const auto shrunk = shrink(
      numbered(1000), [&](const auto&) { return ++asked == 0; }, 7);
  EXPECT_EQ(asked, 7U);
  EXPECT_FALSE(shrunk.smallest);
  EXPECT_EQ(shrunk.operations.size(), 1000U);
}

} // namespace
} // namespace sluice::scenario

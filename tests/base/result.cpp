#include <sluice/base/result.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sluice::base {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) {
    return Errc::invalid_argument;
  }
  return n / 2;
}

// Counts how many are alive.
struct Counted {
  explicit Counted(int& alive) : alive_{&alive} { ++*alive_; }
  Counted(const Counted& other) : alive_{other.alive_} { ++*alive_; }
  Counted(Counted&& other) noexcept : alive_{other.alive_} { ++*alive_; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive_; }

private:
  int* alive_;
};

TEST(Results, AValueIsThere) {
  const auto r = half(8);
  ASSERT_TRUE(r);
  EXPECT_TRUE(r.ok());
  EXPECT_EQ(*r, 4);
  EXPECT_EQ(r.value(), 4);
}
TEST(Results, AnErrorSaysWhich) {
  const auto r = half(7);
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error(), Errc::invalid_argument);
  EXPECT_EQ(r, Errc::invalid_argument);
  EXPECT_FALSE(r == Errc::no_memory);
}
TEST(Results, AValueIsNoErrorWhateverItsBits) { EXPECT_FALSE(Result<int>{0} == Errc::no_memory); }
TEST(Results, ValueOrGivesTheOtherForAnErrorOnly) {
  EXPECT_EQ(half(8).value_or(-1), 4);
  EXPECT_EQ(half(7).value_or(-1), -1);
}
TEST(Results, IsUsableInConstantEvaluation) {
  constexpr auto ok = [] { return Result<unsigned>{3u}; };
  static_assert(ok().ok() && *ok() == 3);
  static_assert(Result<unsigned>{Errc::busy}.error() == Errc::busy);
}

TEST(Results, AValueThatOnlyMovesComesOut) {
  Result<std::unique_ptr<int>> r = std::make_unique<int>(5);
  std::unique_ptr<int> taken = *std::move(r);
  EXPECT_EQ(*taken, 5);
}
TEST(Results, MovingMovesWhicheverHalfIsThere) {
  Result<std::string> a{std::string(100, 'x')};
  Result<std::string> b{std::move(a)};
  EXPECT_EQ(*b, std::string(100, 'x'));
  Result<std::string> c{Errc::busy};
  b = std::move(c);
  EXPECT_EQ(b, Errc::busy);
  b = Result<std::string>{std::string(50, 'y')};
  EXPECT_EQ(*b, std::string(50, 'y'));
}
TEST(Results, CopyingCopiesWhicheverHalfIsThere) {
  const Result<std::string> a{std::string(100, 'x')};
  const Result<std::string> b{a};
  EXPECT_EQ(*a, *b);
  const Result<std::string> c{Errc::busy};
  const Result<std::string> d{c};
  EXPECT_EQ(d, Errc::busy);
}
TEST(Results, EveryValueIsDestroyedOnce) {
  int alive = 0;
  {
    Result<Counted> a{Counted{alive}};
    EXPECT_EQ(alive, 1);
    Result<Counted> b{a};
    EXPECT_EQ(alive, 2);
    Result<Counted> none{Errc::busy};
    b = std::move(none);
    EXPECT_EQ(alive, 1);
    b = std::move(a);
    EXPECT_EQ(alive, 2);
    auto& same = b;
    b = std::move(same);
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 0);
}

TEST(ResultsDeathTest, LookingAtTheWrongHalfStops) {
  const auto error = half(7);
  const auto value = half(8);
  EXPECT_DEATH((void)*error, "");
  EXPECT_DEATH((void)error.value(), "");
  EXPECT_DEATH((void)value.error(), "");
  EXPECT_DEATH((void)Status{}.error(), "");
}

TEST(Statuses, AreGoodByDefaultAndSayWhichErrorElse) {
  EXPECT_TRUE(Status{});
  const Status bad{Errc::timed_out};
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.error(), Errc::timed_out);
  EXPECT_EQ(bad, Errc::timed_out);
  EXPECT_FALSE(Status{} == Errc{});
}
TEST(Progresses, KeepWhatWasDoneBesideTheError) {
  const Progress p{4096, Errc::already_mapped};
  EXPECT_FALSE(p);
  EXPECT_EQ(p.done, 4096u);
  EXPECT_EQ(p.error(), Errc::already_mapped);
  EXPECT_TRUE(Progress{}.ok());
}

} // namespace
} // namespace sluice::base

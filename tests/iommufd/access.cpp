#include "fakes.hpp"

#include <sluice/iommufd/access.hpp>

#include <gtest/gtest.h>

// Software in a device's place.
namespace sluice::iommufd::test {
namespace {

using base::Errc;

struct Letting final : AccessUser {
  void on_unmap(std::uint64_t iova, std::uint64_t last) override {
    asked.push_back({iova, last});
    if (then) {
      then();
    }
  }
  std::vector<Range> asked;
  std::function<void()> then;
};

struct Accesses : ::testing::Test {
  static constexpr std::uint64_t page = 4096;
  static constexpr std::uint64_t at = 0x1'0000;

  Client c;
  std::uint32_t ioas = c.ioas();
  Letting user;
  Access* access = *c.context.open_access(&user, true);
  std::array<std::uint64_t, 8> pages{};

  void SetUp() override {
    ASSERT_TRUE(c.context.attach_access(*access, ioas));
    ASSERT_EQ(c.map(ioas, at, 4 * page, 0x10'0000), 0);
    ASSERT_EQ(c.map(ioas, at + 4 * page, 2 * page, 0x30'0000, u::map_fixed_iova | u::map_readable), 0);
    user.then = [this] { static_cast<void>(unpin(at, 2 * page)); };
  }
  void TearDown() override {
    if (access != nullptr) {
      EXPECT_TRUE(c.context.close_access(*access));
    }
  }
  base::Status pin(std::uint64_t iova, std::uint64_t length, bool write = true) {
    return c.context.pin(*access, iova, length, write, pages);
  }
  base::Status unpin(std::uint64_t iova, std::uint64_t length) { return c.context.unpin(*access, iova, length); }
};

TEST_F(Accesses, PinnedPagesAreNamedAndStayUntilTheyAreUnpinned) {
  ASSERT_TRUE(pin(at + page, 2 * page));
  EXPECT_EQ(pages[0], FakePages::above + 0x10'1000);
  EXPECT_EQ(pages[1], FakePages::above + 0x10'2000);
  EXPECT_EQ(c.pages.live, 1);
  EXPECT_EQ(c.limit.charged(false), 4u);
  ASSERT_TRUE(unpin(at + page, 2 * page));
  EXPECT_EQ(c.pages.live, 0);
  EXPECT_EQ(c.limit.charged(false), 0u);
}

TEST_F(Accesses, ARangeMayCrossAreasThatMeetButNotAGap) {
  ASSERT_TRUE(pin(at + 3 * page, 2 * page, false));
  EXPECT_EQ(pages[1], FakePages::above + 0x30'0000);
  EXPECT_EQ(pin(at + 5 * page, 2 * page, false).error(), Errc::not_found);
  EXPECT_EQ(pin(0x1000, page).error(), Errc::not_found);
  ASSERT_TRUE(unpin(at + 3 * page, 2 * page));
  EXPECT_EQ(c.pages.live, 0) << "what the failed ones had pinned is let go";
}

TEST_F(Accesses, PagesForReadingAreNotPinnedForWriting) {
  EXPECT_EQ(pin(at + 3 * page, 2 * page, true).error(), Errc::not_permitted);
  EXPECT_EQ(c.pages.live, 0);
}

TEST_F(Accesses, AnEmptyRangeIsEINVALOneThatWrapsEOVERFLOWAndOneInsideAPageEINVAL) {
  EXPECT_EQ(pin(at, 0).error(), Errc::invalid_argument);
  EXPECT_EQ(pin(~0ULL, 2).error(), Errc::overflow);
  EXPECT_EQ(pin(at + 1, page).error(), Errc::invalid_argument);
  EXPECT_EQ(c.context.pin(*access, at, 4 * page, true, std::span{pages}.first(3)).error(), Errc::answer_too_long);
}

TEST_F(Accesses, OnlyWhatWasPinnedIsUnpinnedAndAsOne) {
  ASSERT_TRUE(pin(at, 2 * page));
  EXPECT_EQ(unpin(at, page).error(), Errc::not_found);
  EXPECT_EQ(unpin(at + page, page).error(), Errc::not_found);
  ASSERT_TRUE(unpin(at, 2 * page));
  EXPECT_EQ(unpin(at, 2 * page).error(), Errc::not_found);
}

TEST_F(Accesses, AnUnmapAsksForWhatIsPinnedAndGoesOn) {
  ASSERT_TRUE(pin(at, 2 * page));
  EXPECT_EQ(c.unmap(ioas, 0, ~0ULL), 0);
  EXPECT_EQ(c.unmapped, 6 * page);
  ASSERT_EQ(user.asked.size(), 1u);
  EXPECT_EQ(user.asked[0].start, at);
  EXPECT_EQ(user.asked[0].last, at + 4 * page - 1);
  EXPECT_EQ(c.pages.live, 0);
}

TEST_F(Accesses, WhileItIsAskedForNothingCanBePinnedOrMovedThere) {
  ASSERT_TRUE(pin(at, 2 * page));
  std::array<std::byte, 4> bytes{};
  user.then = [&] {
    EXPECT_EQ(pin(at + 2 * page, page).error(), Errc::invalid_argument);
    EXPECT_EQ(c.context.read(*access, at, bytes).error(), Errc::invalid_argument);
    EXPECT_TRUE(pin(at + 4 * page, page, false)) << "elsewhere it can";
    EXPECT_TRUE(unpin(at + 4 * page, page));
    EXPECT_TRUE(unpin(at, 2 * page));
  };
  EXPECT_EQ(c.unmap(ioas, at, 4 * page), 0);
}

TEST_F(Accesses, OneThatDoesNotLetGoIsEDEADLKAfterAHundredTimes) {
  ASSERT_TRUE(pin(at, 2 * page));
  user.then = nullptr;
  EXPECT_EQ(c.unmap(ioas, at, 4 * page), EDEADLK);
  EXPECT_GE(user.asked.size(), 100u);
  EXPECT_LE(user.asked.size(), 102u);
  ASSERT_TRUE(unpin(at, 2 * page));
  EXPECT_EQ(c.unmap(ioas, at, 4 * page), 0);
}

TEST_F(Accesses, OneThatCannotBeAskedIsEBUSY) {
  Access* const queue = *c.context.open_access(nullptr, true);
  ASSERT_TRUE(c.context.attach_access(*queue, ioas));
  ASSERT_TRUE(c.context.pin(*queue, at, page, true, pages));
  EXPECT_EQ(c.unmap(ioas, at, 4 * page), EBUSY);
  EXPECT_EQ(c.unmap(ioas, at + 4 * page, 2 * page), 0) << "another area";
  EXPECT_EQ(c.context.close_access(*queue).error(), Errc::busy);
  ASSERT_TRUE(c.context.unpin(*queue, at, page));
  EXPECT_EQ(c.unmap(ioas, at, 4 * page), 0);
  EXPECT_TRUE(c.context.close_access(*queue));
}

TEST_F(Accesses, BytesAreMovedAcrossAreasAndPages) {
  std::array<std::byte, 6> in{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}, std::byte{6}};
  ASSERT_TRUE(c.context.write(*access, at + page - 3, in));
  std::array<std::byte, 6> out{};
  ASSERT_TRUE(c.context.read(*access, at + page - 3, out));
  EXPECT_EQ(in, out);
  EXPECT_EQ(c.pages.memory[FakePages::above + 0x10'0fff], std::byte{3});
  ASSERT_TRUE(c.context.read(*access, at + 4 * page - 3, out));
  EXPECT_EQ(c.context.write(*access, at + 4 * page - 3, in).error(), Errc::not_permitted);
  EXPECT_EQ(c.context.read(*access, at + 6 * page - 3, out).error(), Errc::not_found);
  EXPECT_EQ(c.context.read(*access, at, {}).error(), Errc::invalid_argument);
  EXPECT_EQ(c.context.read(*access, ~0ULL, out).error(), Errc::overflow);
  EXPECT_EQ(c.pages.live, 0);
}

TEST_F(Accesses, OneThatPinsMakesEveryIovaThatOfAPageAndOneThatDoesNotLeavesThem) {
  const std::uint32_t other = c.ioas();
  Access* const moves = *c.context.open_access(nullptr, false);
  ASSERT_TRUE(c.context.attach_access(*moves, other));
  ASSERT_EQ(c.map(other, 0x1'0001, 7, 0x10'0001), 0);
  std::array<std::byte, 7> bytes{};
  EXPECT_TRUE(c.context.read(*moves, 0x1'0001, bytes));
  EXPECT_EQ(c.context.pin(*moves, 0x1'0001, 7, false, pages).error(), Errc::invalid_argument);
  EXPECT_EQ(c.context.replace_access(*access, other).error(), Errc::reserved_range);
  EXPECT_TRUE(pin(at, page)) << "still where it was";
  EXPECT_TRUE(unpin(at, page));
  EXPECT_EQ(c.map(ioas, 0x9'0001, 7, 0x10'0001), EINVAL);
  EXPECT_TRUE(c.context.close_access(*moves));
}

TEST_F(Accesses, AnIoasStaysWhileOneIsAttachedAndIsLeftByAReplace) {
  const std::uint32_t other = c.ioas();
  EXPECT_EQ(c.destroy(ioas), EBUSY);
  EXPECT_EQ(c.context.attach_access(*access, other).error(), Errc::invalid_argument);
  ASSERT_TRUE(pin(at, 2 * page));
  ASSERT_TRUE(c.context.replace_access(*access, other));
  EXPECT_EQ(user.asked.size(), 1u) << "for all that it has";
  EXPECT_EQ(c.pages.live, 0);
  EXPECT_EQ(c.destroy(ioas), 0);
  EXPECT_EQ(c.destroy(other), EBUSY);
  EXPECT_EQ(c.context.replace_access(*access, 99).error(), Errc::not_found);
  ASSERT_TRUE(c.context.detach_access(*access));
  EXPECT_EQ(c.destroy(other), 0);
  EXPECT_EQ(c.context.replace_access(*access, other).error(), Errc::not_found);
}

TEST_F(Accesses, OneThatKeepsItsPinsStaysWhereItIs) {
  const std::uint32_t other = c.ioas();
  user.then = nullptr;
  ASSERT_TRUE(pin(at, 2 * page));
  EXPECT_EQ(c.context.replace_access(*access, other).error(), Errc::busy);
  EXPECT_EQ(c.context.detach_access(*access).error(), Errc::busy);
  EXPECT_EQ(c.destroy(ioas), EBUSY);
  EXPECT_TRUE(unpin(at, 2 * page));
}

TEST_F(Accesses, ItsIdIsNotTheClientsToDestroy) {
  EXPECT_EQ(c.destroy(access->id()), EBUSY);
  const std::uint32_t id = access->id();
  ASSERT_TRUE(c.context.close_access(*std::exchange(access, nullptr)));
  EXPECT_EQ(c.destroy(id), ENOENT);
}

TEST_F(Accesses, PagesThatATableHasTooStayThere) {
  Device* const device = *c.context.bind(c.rng, {});
  ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
  ASSERT_TRUE(pin(at, 2 * page));
  EXPECT_EQ(c.limit.charged(false), 6u);
  ASSERT_TRUE(unpin(at, 2 * page));
  EXPECT_EQ(c.limit.charged(false), 6u);
  EXPECT_EQ(c.unit.last_paging->pages[at].pa, FakePages::above + 0x10'0000);
  c.context.unbind(*device);
}

} // namespace
} // namespace sluice::iommufd::test

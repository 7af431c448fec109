#include <sluice/hosted/guarded.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/mman.h>

namespace sluice::hosted {
namespace {

using base::Errc;

// Two pages, of which the second can be taken away.
class GuardedTest : public testing::Test {
protected:
  static constexpr std::size_t page = 4096;

  ~GuardedTest() override { munmap(bytes, 2 * page); }
  std::uint64_t at(std::size_t offset) const { return reinterpret_cast<std::uint64_t>(bytes) + offset; }
  template <std::size_t N>
  base::Status read(std::size_t offset, std::array<std::byte, N>& into) {
    return guarded::read(at(offset), into);
  }

  std::byte* bytes =
      static_cast<std::byte*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
};

TEST_F(GuardedTest, MemoryThatIsThereIsReadAndWritten) {
  const std::array data{std::byte{1}, std::byte{2}, std::byte{3}};
  EXPECT_TRUE(guarded::write(at(page - 1), data));
  EXPECT_EQ(bytes[page + 1], std::byte{3});
  std::array<std::byte, 3> back{};
  EXPECT_TRUE(read(page - 1, back));
  EXPECT_EQ(back, data);
}

TEST_F(GuardedTest, MemoryThatIsGoneIsAnErrorAndNoSignal) {
  mprotect(bytes + page, page, PROT_NONE);
  std::array<std::byte, 8> some{};
  EXPECT_EQ(read(page, some).error(), Errc::bad_address);
  EXPECT_EQ(read(page - 4, some).error(), Errc::bad_address);
  EXPECT_EQ(guarded::write(at(page - 4), some).error(), Errc::bad_address);
  EXPECT_TRUE(read(page - 8, some));
  munmap(bytes + page, page);
  EXPECT_EQ(read(page, some).error(), Errc::bad_address);
  EXPECT_EQ(guarded::read(8, some).error(), Errc::bad_address);
  EXPECT_EQ(guarded::read(~0ULL - 3, some).error(), Errc::bad_address);
}

TEST_F(GuardedTest, ReadOnlyMemoryIsNotWritten) {
  mprotect(bytes, page, PROT_READ);
  std::array<std::byte, 8> some{std::byte{1}};
  EXPECT_TRUE(read(0, some));
  EXPECT_EQ(guarded::write(at(0), some).error(), Errc::bad_address);
}

TEST_F(GuardedTest, NothingAtAllIsAlwaysThere) {
  EXPECT_TRUE(guarded::read(0, {}));
  EXPECT_TRUE(guarded::write(0, {}));
}

TEST_F(GuardedTest, PopulatingMakesPagesPresentAndKeepsWhatTheyHold) {
  bytes[page] = std::byte{7};
  EXPECT_TRUE(guarded::populate(at(1), 2 * page - 2, true));
  unsigned char present[2]{};
  ASSERT_EQ(mincore(bytes, 2 * page, present), 0);
  EXPECT_EQ(present[0] & present[1] & 1, 1);
  EXPECT_EQ(bytes[page], std::byte{7});
}

TEST_F(GuardedTest, PopulatingWhatIsNotThereIsAnError) {
  mprotect(bytes, page, PROT_READ);
  EXPECT_TRUE(guarded::populate(at(0), page, false));
  EXPECT_EQ(guarded::populate(at(0), page, true).error(), Errc::bad_address);
  munmap(bytes + page, page);
  EXPECT_EQ(guarded::populate(at(0), 2 * page, false).error(), Errc::bad_address);
  EXPECT_EQ(guarded::populate(~0ULL - page, 2 * page, false).error(), Errc::bad_address);
}

TEST_F(GuardedTest, ErrnoIsTheCallers) {
  std::array<std::byte, 8> some{};
  errno = 77;
  EXPECT_FALSE(guarded::read(8, some));
  EXPECT_FALSE(guarded::write(8, some));
  EXPECT_FALSE(guarded::populate(0x1000, page, true));
  EXPECT_EQ(errno, 77);
}

} // namespace
} // namespace sluice::hosted

#include "host_client.hpp"

#include <sluice/hosted/port.hpp>
#include <sluice/machine/windows.hpp>

#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

namespace sluice::machine::test {
namespace {

using base::Errc;

class WindowsTest : public testing::Test {
protected:
  static constexpr std::uint64_t slot = Windows::slot_size;
  static constexpr std::uint64_t giga = 1ULL << 30;
  static constexpr std::uint64_t page = 4096;

  using Window = std::unique_ptr<iommufd::Window>;

  Window map(const void* at, std::uint64_t length, bool write = true, std::uint64_t iova = 0) {
    return Window{*windows.map_memory(pointer(at), length, write, {iova})};
  }
  bool put(std::uint64_t address, std::uint64_t value) {
    return windows.write(address, std::as_bytes(std::span{&value, 1}));
  }
  std::optional<std::uint64_t> get(std::uint64_t address) {
    std::uint64_t value = 0;
    return windows.read(address, std::as_writable_bytes(std::span{&value, 1})) ? std::optional{value} : std::nullopt;
  }

  hosted::Port port;
  Windows windows{port.sync, {4 * giga, 2 * giga}};
};

TEST_F(WindowsTest, AWindowIsTheClientsMemory) {
  Pages memory;
  const Window window = map(memory.at, memory.size);
  EXPECT_TRUE(windows.contains(window->address()));
  memory.put<std::uint64_t>(0x100, 5);
  EXPECT_EQ(get(window->address() + 0x100), 5u);
  EXPECT_TRUE(put(window->address() + 0x108, 6));
  EXPECT_EQ(memory.get<std::uint64_t>(0x108), 6u);
  std::uint64_t word = 0;
  EXPECT_TRUE(windows.read64(window->address() + 0x100, word));
  EXPECT_EQ(word, 5u);
}

TEST_F(WindowsTest, PrivateMemoryIsReachedWhereItIs) {
  Pages memory{std::size_t{0x10000}, false};
  const Window window = map(memory.at, memory.size);
  EXPECT_TRUE(put(window->address(), 6));
  EXPECT_EQ(memory.get<std::uint64_t>(0), 6u);
}

TEST_F(WindowsTest, PrivateMemoryThatIsGoneIsAnAbortAndNoSignal) {
  Pages memory{std::size_t{0x10000}, false};
  const Window window = map(memory.at, memory.size);
  ASSERT_EQ(mprotect(memory.at + page, page, PROT_NONE), 0);
  EXPECT_FALSE(put(window->address() + page, 1));
  EXPECT_EQ(get(window->address() + page), std::nullopt);
  EXPECT_TRUE(put(window->address() + 2 * page, 1)) << "the rest is there";
  std::uint64_t word = 0;
  EXPECT_FALSE(windows.read64(window->address() + page, word));
}

TEST_F(WindowsTest, ARangeOfSeveralMappingsIsWhatTheClientSees) {
  const int fd = memfd_create("ram", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, 4 * page), 0);
  Pages file{fd, 4 * page};
  for (std::uint64_t i = 0; i < 4; ++i) {
    file.put<std::uint64_t>(i * page, 100 + i);
  }
  // Its third page, and behind it its first.
  Pages shown{3 * page};
  for (const auto& [at, from] : {std::pair{0UL, 2UL}, {1UL, 0UL}, {2UL, 1UL}}) {
    ASSERT_NE(mmap(shown.at + at * page, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                   static_cast<off_t>(from * page)),
              MAP_FAILED);
  }
  const Window across = map(shown.at, 2 * page);
  EXPECT_EQ(get(across->address()), 102u);
  EXPECT_EQ(get(across->address() + page), 100u);
  // What goes on in the file is one, however it is mapped.
  const Window along = map(shown.at + page, 2 * page);
  ASSERT_EQ(munmap(shown.at + page, 2 * page), 0);
  EXPECT_EQ(get(along->address()), 100u);
  EXPECT_EQ(get(along->address() + page), 101u);
  close(fd);
}

TEST_F(WindowsTest, SharedMemoryOutlivesTheClientsMapping) {
  const int fd = memfd_create("ram", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, 0x10000), 0);
  Pages kept{fd, 0x10000};
  Window window;
  {
    const Pages shown{fd, 0x10000};
    window = map(shown.at + 16, 0x1000);
  }
  close(fd);
  EXPECT_TRUE(put(window->address(), 6));
  EXPECT_EQ(kept.get<std::uint64_t>(16), 6u);
}

TEST_F(WindowsTest, AFileThatWasCutShortIsAnAbortAndNoSignal) {
  const int fd = memfd_create("ram", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, 0x10000), 0);
  const Window window{*windows.map_file(fd, 0x2000, 0x4000, true, {})};
  EXPECT_TRUE(put(window->address(), 1));
  ASSERT_EQ(ftruncate(fd, 0x3000), 0);
  close(fd);
  EXPECT_TRUE(put(window->address(), 1));
  EXPECT_FALSE(put(window->address() + 0x1000, 1));
}

TEST_F(WindowsTest, OnlyMemoryFilesAsFarAsTheyReachAreMapped) {
  const int fd = memfd_create("ram", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, 0x10000), 0);
  EXPECT_EQ(windows.map_file(fd, 0xf000, 0x2000, true, {}).error(), Errc::invalid_argument);
  EXPECT_EQ(windows.map_file(fd, ~0ULL - 0xfff, 0x2000, true, {}).error(), Errc::invalid_argument);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT_EQ(windows.map_file(null, 0, 0x1000, true, {}).error(), Errc::invalid_argument);
  const int read_only = open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(windows.map_file(read_only, 0, 0x1000, true, {}).error(), Errc::invalid_argument);
  const Window readable{*windows.map_file(read_only, 0, 0x1000, false, {})};
  EXPECT_EQ(get(readable->address()), 0u);
  EXPECT_FALSE(put(readable->address(), 1));
  for (const int one : {fd, null, read_only}) {
    close(one);
  }
  EXPECT_EQ(windows.map_file(fd, 0, 0x1000, true, {}).error(), Errc::invalid_argument) << "closed";
}

TEST_F(WindowsTest, AFileThatNobodyMayOpenIsNoMemory) {
  const int fd = memfd_create("x", MFD_ALLOW_SEALING);
  ASSERT_EQ(ftruncate(fd, static_cast<off_t>(page)), 0);
  EXPECT_TRUE(Window{*windows.map_file(fd, 0, page, true, {})});
  ASSERT_EQ(fchmod(fd, 0), 0);
  EXPECT_EQ(windows.map_file(fd, 0, page, true, {}).error(), Errc::invalid_argument);
  close(fd);
}

TEST_F(WindowsTest, MemoryThatIsNotThereOrNotForThatIsNotMapped) {
  Pages memory{std::size_t{0x10000}, false};
  mprotect(memory.at, page, PROT_READ);
  EXPECT_EQ(windows.map_memory(pointer(memory.at), 2 * page, true, {}).error(), Errc::bad_address);
  const Window readable = map(memory.at, 2 * page, false);
  EXPECT_FALSE(put(readable->address() + page, 1)) << "the window is for reading";
  mprotect(memory.at, page, PROT_NONE);
  EXPECT_EQ(windows.map_memory(pointer(memory.at), 2 * page, false, {}).error(), Errc::bad_address);
  EXPECT_EQ(windows.live(), 1u);
}

TEST_F(WindowsTest, NothingIsBesideAWindow) {
  Pages memory;
  const Window window = map(memory.at + 0x100, 0x1000, true, 0x100);
  const std::uint64_t end = window->address() + 0x1000;
  EXPECT_EQ(get(window->address() - 1), std::nullopt);
  EXPECT_EQ(get(end), std::nullopt);
  EXPECT_EQ(get(end - 4), std::nullopt) << "half of it";
  EXPECT_EQ(get(4 * giga + 100 * slot), std::nullopt);
  EXPECT_EQ(get(6 * giga - 8), std::nullopt);
  EXPECT_FALSE(windows.contains(6 * giga));
  EXPECT_FALSE(windows.contains(4 * giga - 1));
}

TEST_F(WindowsTest, AWindowLiesWhereLargePagesCanBeUsed) {
  Pages memory;
  const Window odd = map(memory.at, 0x3000, true, 0x12'3456'7000);
  EXPECT_EQ(odd->address() % slot, 0x12'3456'7000 % slot);
  Pages large{giga, false};
  const Window huge{*windows.map_memory(pointer(large.at), giga, false, {7 * giga})};
  EXPECT_EQ(huge->address() % giga, 0u);
}

TEST_F(WindowsTest, SlotsAreUsedAgainAndNeighboursGrowTogether) {
  Pages memory;
  std::vector<Window> all;
  for (std::uint64_t n = 0; n < 2 * giga / slot; ++n) {
    all.push_back(map(memory.at, page));
  }
  EXPECT_EQ(windows.live(), 1024u);
  EXPECT_EQ(windows.map_memory(pointer(memory.at), page, true, {}).error(), Errc::no_memory);
  const std::uint64_t freed = all[500]->address();
  all[500].reset();
  EXPECT_EQ(get(freed), std::nullopt);
  all[500] = map(memory.at, page);
  EXPECT_EQ(all[500]->address(), freed);
  for (const std::size_t first : {0U, 1U, 2U}) { // in no order
    for (std::size_t n = first; n < all.size(); n += 3) {
      all[n].reset();
    }
  }
  EXPECT_EQ(windows.live(), 0u);
  Pages large{giga, false};
  for (int round = 0; round < 2; ++round) {
    const Window whole = map(large.at, giga, false);
    EXPECT_EQ(whole->address(), 4 * giga);
  }
}

TEST_F(WindowsTest, WhatHardwareMayStillReachStaysUntilThereIsNone) {
  Pages memory;
  memory.put<std::uint64_t>(0, 42);
  std::optional<Windows> own{std::in_place, port.sync, Windows::Space{4 * giga, 2 * giga}};
  Window first{*own->map_memory(pointer(memory.at), memory.size, true, {})};
  Window second{*own->map_memory(pointer(memory.at), memory.size, true, {})};
  const std::uint64_t address = first->address();
  own->abandon(first.release());
  own->abandon(second.release());
  std::uint64_t value = 0;
  EXPECT_TRUE(own->read(address, std::as_writable_bytes(std::span{&value, 1})));
  EXPECT_EQ(value, 42U);
  EXPECT_EQ(own->live(), 2U);
  own.reset(); // and the process goes on
}

TEST_F(WindowsTest, TheMemoryOfDevicesIsNotMapped) {
  Pages memory{4 * page};
  const std::uint64_t bar = pointer(memory.at) + page;
  windows.device_ranges().add(bar, page);
  for (const auto& [at, length, result] : {std::tuple{bar - page, page, true},
                                           {bar - page, page + 1, false},
                                           {bar, page, false},
                                           {bar + page - 1, 1, false},
                                           {bar + page, page, true}}) {
    const auto window = windows.map_memory(at, length, true, {});
    EXPECT_EQ(window.ok(), result) << at - bar << ", " << length;
    if (window) {
      delete *window;
    } else {
      EXPECT_EQ(window.error(), Errc::bad_address);
    }
  }
  windows.device_ranges().remove(bar);
  EXPECT_TRUE(map(memory.at, 4 * page));
}

TEST_F(WindowsTest, ADescriptorIsDuplicatedAndClosed) {
  const int fd = memfd_create("ram", MFD_CLOEXEC);
  const int own = *windows.duplicate(fd);
  EXPECT_NE(own, fd);
  EXPECT_EQ(fcntl(own, F_GETFD), FD_CLOEXEC);
  windows.close(own);
  EXPECT_EQ(fcntl(own, F_GETFD), -1);
  close(fd);
  EXPECT_EQ(windows.duplicate(fd).error(), Errc::bad_descriptor);
}

TEST_F(WindowsTest, ErrnoIsTheClients) {
  errno = 77;
  EXPECT_FALSE(windows.map_memory(0x1000, page, true, {}));
  EXPECT_FALSE(windows.map_file(-1, 0, page, true, {}));
  EXPECT_FALSE(windows.duplicate(-1));
  Pages memory;
  map(memory.at, page).reset();
  EXPECT_EQ(errno, 77);
}

} // namespace
} // namespace sluice::machine::test

#include "fakes.hpp"

#include <gtest/gtest.h>

// What is pinned is charged for, once, and for as long as hardware has it.
namespace sluice::iommufd::test {
namespace {

struct Limited : ::testing::Test {
  static constexpr std::uint64_t page = 4096;
  static constexpr std::uint64_t everything = ~0ULL;

  Client c;
  MemoryLimit limit{16};
  Context context{{.caller = c.caller, .pages = c.pages, .channels = c.channels, .limit = &limit}, c.port.sync};
  Device* device = *context.bind(c.rng, {});
  std::uint32_t ioas = 0;

  void SetUp() override { ioas = make_ioas(); }
  void TearDown() override { context.unbind(*device); }

  template <class T>
  int call(T& cmd) {
    cmd.size = sizeof cmd;
    std::memcpy(&c.caller.bytes[Client::at], &cmd, sizeof cmd);
    const int result = -context.ioctl(u::call(T::nr), Client::at);
    std::memcpy(&cmd, &c.caller.bytes[Client::at], sizeof cmd);
    return result;
  }
  std::uint32_t make_ioas() {
    u::IoasAlloc cmd{};
    EXPECT_EQ(call(cmd), 0);
    return cmd.out_ioas_id;
  }
  int table(std::uint32_t on) {
    u::HwptAlloc cmd{.dev_id = device->id(), .pt_id = on};
    const int result = call(cmd);
    made = cmd.out_hwpt_id;
    return result;
  }
  int map(std::uint32_t on, std::uint64_t iova, std::uint64_t length, std::uint64_t va = 0x10'0000) {
    u::IoasMap cmd{.flags = 7, .ioas_id = on, .user_va = va, .length = length, .iova = iova};
    return call(cmd);
  }
  int unmap(std::uint32_t on, std::uint64_t iova, std::uint64_t length) {
    u::IoasUnmap cmd{.ioas_id = on, .iova = iova, .length = length};
    return call(cmd);
  }
  int copy(std::uint32_t to, std::uint64_t length) {
    u::IoasCopy cmd{.flags = 7,
                    .dst_ioas_id = to,
                    .src_ioas_id = ioas,
                    .length = length,
                    .dst_iova = 0x9'0000,
                    .src_iova = 0x1'0000};
    return call(cmd);
  }
  int destroy(std::uint32_t id) {
    u::Destroy cmd{.id = id};
    return call(cmd);
  }
  std::uint64_t charged(bool by_process = false) { return limit.charged(by_process); }
  std::uint32_t made{};
};

TEST_F(Limited, AMappingIsChargedForWhileATableHasIt) {
  ASSERT_EQ(map(ioas, 0x1'0000, 4 * page), 0);
  EXPECT_EQ(charged(), 0u) << "nothing is pinned yet";
  ASSERT_EQ(table(ioas), 0);
  EXPECT_EQ(charged(), 4u);
  EXPECT_EQ(c.pages.live, 1);
  ASSERT_EQ(destroy(made), 0);
  EXPECT_EQ(charged(), 0u);
  EXPECT_EQ(c.pages.live, 0);
  ASSERT_EQ(table(ioas), 0);
  ASSERT_EQ(unmap(ioas, 0, everything), 0);
  EXPECT_EQ(charged(), 0u);
}

TEST_F(Limited, SeveralTablesAndCopiesAreChargedForOnce) {
  ASSERT_EQ(table(ioas), 0);
  ASSERT_EQ(table(ioas), 0);
  const std::uint32_t other = make_ioas();
  ASSERT_EQ(table(other), 0);
  ASSERT_EQ(map(ioas, 0x1'0000, 4 * page), 0);
  ASSERT_EQ(copy(other, 2 * page), 0);
  EXPECT_EQ(charged(), 4u);
  ASSERT_EQ(unmap(ioas, 0, everything), 0);
  EXPECT_EQ(charged(), 4u) << "by the copy";
  ASSERT_EQ(unmap(other, 0, everything), 0);
  EXPECT_EQ(charged(), 0u);
}

TEST_F(Limited, MoreThanTheLimitIsENOMEMAndChargesNothing) {
  ASSERT_EQ(table(ioas), 0);
  ASSERT_EQ(map(ioas, 0x1'0000, 10 * page), 0);
  EXPECT_EQ(map(ioas, 0x8'0000, 7 * page), ENOMEM);
  EXPECT_EQ(charged(), 10u);
  EXPECT_EQ(map(ioas, 0x8'0000, 6 * page), 0);
  EXPECT_EQ(charged(), 16u);
  EXPECT_EQ(map(ioas, 0x10'0000, page), ENOMEM);
  ASSERT_EQ(unmap(ioas, 0x1'0000, 10 * page), 0);
  EXPECT_EQ(map(ioas, 0x10'0000, page), 0);
}

TEST_F(Limited, ATableThatWouldPinTooMuchIsENOMEM) {
  ASSERT_EQ(map(ioas, 0x1'0000, 10 * page), 0);
  ASSERT_EQ(map(ioas, 0x8'0000, 10 * page), 0);
  EXPECT_EQ(table(ioas), ENOMEM);
  EXPECT_EQ(charged(), 0u);
  EXPECT_TRUE(c.unit.domains.empty());
}

TEST_F(Limited, APageThatIsTouchedInPartCountsWhole) {
  ASSERT_EQ(map(ioas, 0x1'0000, 2, 0x10'0fff), 0);
  EXPECT_EQ(table(ioas), EADDRINUSE);
  u::Option option{.option_id = u::option_huge_pages, .object_id = ioas};
  ASSERT_EQ(unmap(ioas, 0, everything), 0);
  EXPECT_EQ(call(option), 0);
  Access* const access = *context.open_access(nullptr, false);
  option.val64 = 1;
  ASSERT_EQ(call(option), 0);
  ASSERT_EQ(map(ioas, 0x1'0000, 2, 0x10'0fff), 0);
  ASSERT_TRUE(context.attach_access(*access, ioas));
  std::array<std::byte, 2> bytes;
  c.pages.on_map = [&] { EXPECT_EQ(charged(), 2u); };
  EXPECT_TRUE(context.read(*access, 0x1'0000, bytes));
  EXPECT_EQ(charged(), 0u);
  EXPECT_TRUE(context.close_access(*access));
}

TEST_F(Limited, MemoryThatIsNotThereIsNotCharged) {
  ASSERT_EQ(table(ioas), 0);
  c.pages.bad_va = 0x66'0000;
  EXPECT_EQ(map(ioas, 0x1'0000, page, 0x66'0000), EFAULT);
  EXPECT_EQ(charged(), 0u);
}

TEST_F(Limited, ContextsAreChargedTogetherAndByProcessWhereThatIsAskedFor) {
  Context second{{.caller = c.caller, .pages = c.pages, .channels = c.channels, .limit = &limit}, c.port.sync};
  const auto call_second = [&](auto& cmd) {
    cmd.size = sizeof cmd;
    std::memcpy(&c.caller.bytes[Client::at], &cmd, sizeof cmd);
    const int result = -second.ioctl(u::call(std::remove_reference_t<decltype(cmd)>::nr), Client::at);
    std::memcpy(&cmd, &c.caller.bytes[Client::at], sizeof cmd);
    return result;
  };
  u::Option mode{.option_id = u::option_rlimit_mode, .val64 = 1};
  ASSERT_EQ(call_second(mode), 0);
  u::IoasAlloc alloc{};
  ASSERT_EQ(call_second(alloc), 0);
  Device* const other = *second.bind(c.second, {});
  u::HwptAlloc hwpt{.dev_id = other->id(), .pt_id = alloc.out_ioas_id};
  ASSERT_EQ(call_second(hwpt), 0);
  u::IoasMap mapping{
      .flags = 7, .ioas_id = alloc.out_ioas_id, .user_va = 0x10'0000, .length = 12 * page, .iova = 0x1'0000};
  ASSERT_EQ(call_second(mapping), 0);
  EXPECT_EQ(charged(true), 12u);
  EXPECT_EQ(charged(false), 0u);
  ASSERT_EQ(table(ioas), 0);
  EXPECT_EQ(map(ioas, 0x1'0000, 12 * page), 0) << "by the user";
  EXPECT_EQ(charged(false), 12u);
  second.unbind(*other);
}

TEST_F(Limited, WithoutALimitNothingIsCounted) {
  ASSERT_EQ(c.ioas(), 1u);
  Device* const other = *c.context.bind(c.second, {});
  Context free{{.caller = c.caller, .pages = c.pages, .channels = c.channels}, c.port.sync};
  Device* const third = *free.bind(c.elsewhere, {});
  const auto call_free = [&](auto cmd) {
    cmd.size = sizeof cmd;
    std::memcpy(&c.caller.bytes[Client::at], &cmd, sizeof cmd);
    return -free.ioctl(u::call(decltype(cmd)::nr), Client::at);
  };
  ASSERT_EQ(call_free(u::IoasAlloc{}), 0);
  ASSERT_EQ(call_free(u::HwptAlloc{.dev_id = third->id(), .pt_id = 2}), 0);
  EXPECT_EQ(call_free(u::IoasMap{.flags = 7, .ioas_id = 2, .user_va = 0x10'0000, .length = 1 << 20, .iova = 0x1'0000}),
            0);
  EXPECT_EQ(charged(), 0u);
  free.unbind(*third);
  c.context.unbind(*other);
}

} // namespace
} // namespace sluice::iommufd::test

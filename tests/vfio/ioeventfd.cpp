#include "rig.hpp"

#include <cerrno>

#include <sys/resource.h>

// DEVICE_IOEVENTFD.
namespace sluice::vfio::test {
namespace {

constexpr std::uint64_t select = pcie::virtio::common::device_feature_select;

class VfioIoeventfd : public testing::Test {
protected:
  void SetUp() override { ASSERT_EQ(r.bind(), 0); }
  int set(std::uint64_t offset, std::uint32_t flags, std::uint64_t data, std::int32_t fd, std::uint32_t argsz = 32) {
    u::IoEventfd cmd{.argsz = argsz, .flags = flags, .offset = offset, .data = data, .fd = fd, .reserved = 0};
    return r.call(u::device_ioeventfd, cmd);
  }
  static std::uint64_t bar(std::uint64_t at, std::uint32_t index = 0) { return Rig::region(index, at); }
  void signal(const Event& event) {
    eventfd_write(event.fd, 1);
    r.wakeups.look();
  }

  Rig r{MsixCapability::plain};
  Event a;
  Event b;
};

TEST_F(VfioIoeventfd, ASignalWritesTheRegister) {
  EXPECT_EQ(set(bar(select), 4, 1, a.fd), 0);
  EXPECT_EQ(r.peek(0, select, 4), 0);
  signal(a);
  EXPECT_EQ(r.peek(0, select, 4), 1);
  EXPECT_EQ(a.take(), 0u) << "it was taken";
}

TEST_F(VfioIoeventfd, OfOnePlaceAndValueThereIsOne) {
  EXPECT_EQ(set(bar(select), 4, 1, a.fd), 0);
  EXPECT_EQ(set(bar(select), 4, 1, b.fd), EEXIST);
  EXPECT_EQ(set(bar(select), 4, 0, b.fd), 0) << "another value";
  EXPECT_EQ(set(bar(select), 2, 1, b.fd), 0) << "another size";
  EXPECT_EQ(r.wakeups.watched.size(), 3u);
  EXPECT_EQ(set(bar(select), 4, 1, -1), 0);
  EXPECT_EQ(set(bar(select), 4, 1, -1), ENODEV);
  EXPECT_EQ(set(bar(select), 4, 1, b.fd), 0);
}

TEST_F(VfioIoeventfd, ItsFormIsCheckedFirst) {
  EXPECT_EQ(r.file->ioctl(u::device_ioeventfd, 0), -EFAULT);
  EXPECT_EQ(set(bar(select), 4, 1, a.fd, 27), EINVAL);
  EXPECT_EQ(set(bar(select), 4, 1, a.fd, 28), 0) << "the reserved word is none's";
  for (const std::uint32_t flags : {0u, 3u, 16u, 20u}) {
    EXPECT_EQ(set(bar(select), flags, 1, a.fd), EINVAL) << flags;
  }
  EXPECT_EQ(set(bar(select), 1, 1, -2), EINVAL);
  EXPECT_EQ(set(bar(select), 1, 1, 123456), EBADF);
  EXPECT_EQ(set(bar(select), 1, 1, STDIN_FILENO), EINVAL);
}

TEST_F(VfioIoeventfd, OnlyRegistersAreWritten) {
  EXPECT_EQ(set(bar(0x3ffc), 4, 1, a.fd), 0);
  EXPECT_EQ(set(bar(0x3ffd), 4, 1, a.fd), EINVAL);
  EXPECT_EQ(set(bar(0x4000), 1, 1, a.fd), EINVAL);
  EXPECT_EQ(set(bar(0, 3), 1, 1, a.fd), EINVAL) << "no BAR";
  EXPECT_EQ(set(bar(0, 6), 1, 1, a.fd), EINVAL);
  EXPECT_EQ(set(bar(0x40, 7), 1, 1, a.fd), EINVAL);
  EXPECT_EQ(set(bar(0, 1), 4, 1, a.fd), EINVAL) << "the table of MSI-X";
  EXPECT_EQ(set(bar(28, 1), 4, 1, a.fd), EINVAL);
  EXPECT_EQ(set(bar(32, 1), 4, 1, a.fd), 0) << "behind it";
}

TEST_F(VfioIoeventfd, AreAThousand) {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max; // each is one of ours
  setrlimit(RLIMIT_NOFILE, &descriptors);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(set(bar(select), 4, i, a.fd), 0) << i;
  }
  EXPECT_EQ(set(bar(select), 4, 1000, a.fd), ENOSPC);
}

TEST_F(VfioIoeventfd, NothingIsWrittenWhileMemoryIsOff) {
  EXPECT_EQ(set(bar(select), 4, 1, a.fd), 0);
  r.set_cfg(config::command, 2, 0);
  signal(a);
  r.set_cfg(config::command, 2, config::command_memory_space);
  EXPECT_EQ(r.peek(0, select, 4), 0);
}

TEST_F(VfioIoeventfd, EndsWithTheFile) {
  EXPECT_EQ(set(bar(select), 4, 1, a.fd), 0);
  r.file.reset();
  EXPECT_TRUE(r.wakeups.watched.empty());
}

TEST_F(VfioIoeventfd, OneThatCannotBeWaitedForIsNotKept) {
  r.wakeups.refuses = true;
  EXPECT_EQ(set(bar(select), 4, 1, a.fd), ENOMEM);
  EXPECT_EQ(set(bar(select), 4, 1, -1), ENODEV);
}

} // namespace
} // namespace sluice::vfio::test

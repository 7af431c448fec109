#include "rig.hpp"

#include <cerrno>

// DEVICE_FEATURE: what is probed, and low power.
namespace sluice::vfio::test {
namespace {

constexpr std::uint32_t entry = u::feature_low_power_entry;
constexpr std::uint32_t with_wakeup = u::feature_low_power_entry_with_wakeup;
constexpr std::uint32_t leave = u::feature_low_power_exit;

struct FeatureRow {
  const char* name;
  std::uint32_t argsz, flags;
  int result;
};

void PrintTo(const FeatureRow& row, std::ostream* out) { *out << row.name; }

class VfioFeatureRows : public testing::TestWithParam<FeatureRow> {};

TEST_P(VfioFeatureRows, AreAnsweredAsByLinux) {
  Rig r;
  ASSERT_EQ(r.bind(), 0);
  u::Feature cmd{.argsz = GetParam().argsz, .flags = GetParam().flags};
  EXPECT_EQ(r.call(u::device_feature, cmd), GetParam().result);
}

const FeatureRow feature_rows[] = {
    {"TooShort", 7, u::feature_probe | entry, EINVAL},
    {"UnknownFlag", 8, u::feature_probe | 1U << 19 | entry, EINVAL},
    {"GetAndSet", 8, u::feature_get | u::feature_set | entry, EINVAL},
    {"ProbeOfGetAndSetOfOneThatIsOnlySet", 8, u::feature_probe | u::feature_get | u::feature_set | entry, EINVAL},
    {"ProbeOfOneThatIsNotThere", 8, u::feature_probe | u::feature_get | 9, ENOTTY},
    {"GetAndSetOfOneThatIsNotThere", 8, u::feature_get | u::feature_set | 9, EINVAL},
    {"TokenOfWhatIsNoPhysicalFunction", 24, u::feature_set | 0, ENOTTY},
    {"Migration", 16, u::feature_get | 1, ENOTTY},
    {"MigrationState", 16, u::feature_set | 2, ENOTTY},
    {"DirtyLogging", 24, u::feature_set | 6, ENOTTY},
    {"DmaBuffers", 32, u::feature_get | 11, ENOTTY},
    {"LowPowerIsThere", 8, u::feature_probe | entry, 0},
    {"LowPowerCanBeSet", 8, u::feature_probe | u::feature_set | entry, 0},
    {"LowPowerCannotBeGot", 8, u::feature_probe | u::feature_get | entry, EINVAL},
    {"LowPowerIsNotGot", 8, u::feature_get | entry, EINVAL},
    {"LowPowerWithoutAWay", 8, entry, EINVAL},
    {"LowPower", 8, u::feature_set | entry, 0},
    {"WakeupIsThere", 8, u::feature_probe | u::feature_set | with_wakeup, 0},
    {"WakeupWithoutItsData", 15, u::feature_set | with_wakeup, EINVAL},
    {"ExitIsThere", 8, u::feature_probe | u::feature_set | leave, 0},
    {"ExitOfWhatIsAwake", 8, u::feature_set | leave, 0},
};

INSTANTIATE_TEST_SUITE_P(Vfio, VfioFeatureRows, testing::ValuesIn(feature_rows),
                         [](const auto& test) { return test.param.name; });

class VfioLowPower : public testing::Test {
protected:
  void SetUp() override { ASSERT_EQ(r.bind(), 0); }
  int set(std::uint32_t feature) {
    u::Feature cmd{.argsz = sizeof cmd, .flags = u::feature_set | feature};
    return r.call(u::device_feature, cmd);
  }
  int enter(std::int32_t wakeup) {
    struct {
      u::Feature cmd{.argsz = 16, .flags = u::feature_set | with_wakeup};
      u::LowPowerEntryWithWakeup data{};
    } call;
    call.data.wakeup_eventfd = wakeup;
    return r.call(u::device_feature, call);
  }
  std::int64_t bar() { return r.peek(0, pcie::virtio::common::num_queues, 2); }

  Rig r;
};

TEST_F(VfioLowPower, MemoryDoesNotAnswerUntilTheExit) {
  EXPECT_EQ(bar(), 1);
  EXPECT_EQ(set(entry), 0);
  EXPECT_EQ(bar(), -EIO);
  EXPECT_EQ(r.cfg(config::vendor_id, 2), pcie::virtio::vendor) << "configuration space does";
  EXPECT_EQ(set(entry), EINVAL) << "it is";
  EXPECT_EQ(set(leave), 0);
  EXPECT_EQ(bar(), 1);
}

TEST_F(VfioLowPower, WhoWakesTheDeviceIsToldAndItStaysAwake) {
  Event wakeup;
  EXPECT_EQ(enter(wakeup.fd), 0);
  EXPECT_EQ(wakeup.take(), 0u);
  EXPECT_EQ(bar(), 1);
  EXPECT_EQ(wakeup.take(), 1u);
  EXPECT_EQ(bar(), 1);
  EXPECT_EQ(wakeup.take(), 0u) << "once";
  EXPECT_EQ(enter(wakeup.fd), 0);
  EXPECT_EQ(r.file->ioctl(u::device_reset, 0), 0);
  EXPECT_EQ(wakeup.take(), 1u) << "a call wakes it, too";
  EXPECT_EQ(enter(wakeup.fd), 0);
  EXPECT_EQ(set(leave), 0);
  EXPECT_EQ(wakeup.take(), 1u) << "and this one";
}

TEST_F(VfioLowPower, AWakeupNeedsAnEventfd) {
  EXPECT_EQ(enter(-1), EINVAL);
  EXPECT_EQ(enter(123456), EBADF);
  EXPECT_EQ(enter(STDIN_FILENO), EINVAL);
  EXPECT_EQ(bar(), 1);
}

TEST_F(VfioLowPower, TheNextClientFindsTheDeviceAwake) {
  EXPECT_EQ(set(entry), 0);
  r.file.reset();
  r.file = r.cdev.open();
  ASSERT_EQ(r.bind(), 0);
  EXPECT_EQ(bar(), 1);
}

} // namespace
} // namespace sluice::vfio::test

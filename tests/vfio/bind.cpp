#include "rig.hpp"

#include <cerrno>

namespace sluice::vfio::test {
namespace {

TEST(VfioBind, GivesTheDeviceAnId) {
  Rig r;
  EXPECT_EQ(r.bind(), 0);
  EXPECT_NE(r.devid, 0u);
  EXPECT_EQ(r.iommufds.context->objects(), 1u);
}

TEST(VfioBind, IsWhatEverythingElseWaitsFor) {
  Rig r;
  for (std::uint32_t nr = 100; nr < 128; ++nr) {
    if (u::call(nr) != u::device_bind_iommufd) {
      EXPECT_EQ(r.file->ioctl(u::call(nr), 0), -EINVAL) << nr;
    }
  }
  EXPECT_EQ(r.cfg(0, 4), -EINVAL);
  EXPECT_EQ(r.set_cfg(4, 2, 0), -EINVAL);
  EXPECT_EQ(r.file->pread(Rig::buffer, 0, 0), -EINVAL);
}

TEST(VfioBind, AnUnknownCallIsENOTTYAfterwards) {
  Rig r;
  r.bind();
  for (const std::uint32_t nr : {99u, 105u, 106u, 114u, 115u, 121u, 200u}) {
    EXPECT_EQ(r.file->ioctl(u::call(nr), 0), -ENOTTY) << nr;
  }
}

TEST(VfioBind, ABadPointerIsEFAULT) {
  Rig r;
  EXPECT_EQ(r.file->ioctl(u::device_bind_iommufd, 0), -EFAULT);
}

struct Size {
  std::uint32_t argsz;
  int result;
};

class BindSizes : public testing::TestWithParam<Size> {};

TEST_P(BindSizes, AreCheckedAsByLinux) {
  Rig r;
  u::BindIommufd cmd{
      .argsz = GetParam().argsz, .flags = 0, .iommufd = FakeIommufds::good, .out_devid = 0, .token_uuid_ptr = 0};
  EXPECT_EQ(r.call(u::device_bind_iommufd, cmd), GetParam().result);
}

INSTANTIATE_TEST_SUITE_P(Vfio, BindSizes,
                         testing::Values(Size{0, EINVAL}, Size{15, EINVAL}, Size{16, 0}, Size{24, 0}, Size{4000, 0}));

TEST(VfioBind, ATailThatIsNotZeroIsE2BIG) {
  Rig r;
  struct {
    u::BindIommufd cmd{.argsz = 32, .flags = 0, .iommufd = FakeIommufds::good, .out_devid = 0, .token_uuid_ptr = 0};
    std::uint64_t tail{1ULL << 63};
  } longer;
  EXPECT_EQ(r.call(u::device_bind_iommufd, longer), E2BIG);
}

TEST(VfioBind, AnUnknownFlagOrANegativeDescriptorIsEINVAL) {
  Rig r;
  EXPECT_EQ(r.bind(-1), EINVAL);
  u::BindIommufd cmd{.argsz = 24, .flags = 2, .iommufd = FakeIommufds::good, .out_devid = 0, .token_uuid_ptr = 0};
  EXPECT_EQ(r.call(u::device_bind_iommufd, cmd), EINVAL);
}

TEST(VfioBind, ADescriptorThatIsNotOpenIsEBADFAndAnotherKindEBADFD) {
  Rig r;
  EXPECT_EQ(r.bind(7), EBADF);
  EXPECT_EQ(r.bind(FakeIommufds::other), EBADFD);
  EXPECT_EQ(r.bind(), 0) << "nothing has changed";
}

TEST(VfioBind, ATwiceBoundDeviceIsEINVALBeforeTheDescriptorIsLookedAt) {
  Rig r;
  r.bind();
  EXPECT_EQ(r.bind(7), EINVAL);
}

TEST(VfioBind, ATokenNobodyAskedForIsEINVALAfterItsAddressIsChecked) {
  Rig r;
  u::BindIommufd cmd{.argsz = 24, .flags = u::bind_token, .iommufd = 7, .out_devid = 0, .token_uuid_ptr = 0};
  EXPECT_EQ(r.call(u::device_bind_iommufd, cmd), EFAULT);
  cmd.token_uuid_ptr = Rig::buffer;
  EXPECT_EQ(r.call(u::device_bind_iommufd, cmd), EINVAL);
}

TEST(VfioBind, ASecondOpenCannotBeBoundBeside) {
  Rig r;
  r.bind();
  auto first = std::exchange(r.file, r.cdev.open());
  EXPECT_EQ(r.bind(), EINVAL);
  first.reset();
  EXPECT_EQ(r.bind(), 0);
}

TEST(VfioBind, AnIdThatCannotBeWrittenUndoesIt) {
  Rig r;
  r.caller.read_only_from = Rig::at;
  EXPECT_EQ(r.bind(), EFAULT);
  EXPECT_EQ(r.iommufds.context->objects(), 0u);
  r.caller.read_only_from = 0;
  EXPECT_EQ(r.bind(), 0);
}

TEST(VfioBind, TheDeviceComesResetAndIsNoBusMaster) {
  Rig r;
  r.start_guest();
  r.bind();
  EXPECT_FALSE(r.guest.rng.bus_master());
  EXPECT_EQ(r.guest.status(), 0);
  EXPECT_EQ(r.cfg(config::command, 2), config::command_memory_space);
}

TEST(VfioClose, StopsResetsAndUnbindsTheDevice) {
  Rig r;
  r.bind();
  std::uint32_t id = r.ioas();
  ASSERT_EQ(r.attach(id), 0);
  r.start_guest();
  r.file.reset();
  EXPECT_FALSE(r.guest.rng.bus_master());
  EXPECT_EQ(r.guest.status(), 0);
  EXPECT_EQ(r.device.attached(), nullptr);
  EXPECT_EQ(r.iommufds.context->objects(), 1u) << "the IOAS";
}

TEST(VfioClose, KeepsTheIommufdAliveUntilThen) {
  Rig r;
  r.bind();
  std::weak_ptr<iommufd::Context> context = r.iommufds.context;
  r.iommufds.context.reset();
  EXPECT_FALSE(context.expired());
  r.file.reset();
  EXPECT_TRUE(context.expired());
}

TEST(VfioAttach, AnIoasGivesTheHwptThatWasMadeForIt) {
  Rig r;
  r.bind();
  const std::uint32_t ioas = r.ioas();
  std::uint32_t id = ioas;
  EXPECT_EQ(r.attach(id), 0);
  EXPECT_NE(id, ioas);
  EXPECT_NE(r.device.attached(), nullptr);
}

TEST(VfioAttach, TheSameAgainDoesNothing) {
  Rig r;
  r.bind();
  std::uint32_t id = r.ioas();
  r.attach(id);
  const std::size_t moves = r.device.seen.size();
  EXPECT_EQ(r.attach(id), 0);
  EXPECT_EQ(r.device.seen.size(), moves);
}

TEST(VfioAttach, AnotherOneReplaces) {
  Rig r;
  r.bind();
  std::uint32_t first = r.ioas();
  std::uint32_t second = r.ioas();
  r.attach(first);
  EXPECT_EQ(r.attach(second), 0);
  EXPECT_EQ(r.device.seen.size(), 2u);
  EXPECT_NE(r.device.seen[1], nullptr) << "no detach between";
}

TEST(VfioAttach, AMissingObjectIsENOENTAndAWrongOneEINVAL) {
  Rig r;
  r.bind();
  std::uint32_t id = 77;
  EXPECT_EQ(r.attach(id), ENOENT);
  id = r.devid;
  EXPECT_EQ(r.attach(id), EINVAL);
}

TEST(VfioAttach, AnIdThatCannotBeWrittenDetaches) {
  Rig r;
  r.bind();
  std::uint32_t id = r.ioas();
  r.caller.read_only_from = Rig::at;
  EXPECT_EQ(r.attach(id), EFAULT);
  EXPECT_EQ(r.device.attached(), nullptr);
}

TEST(VfioAttach, SizesAndFlagsAreCheckedAsByLinux) {
  Rig r;
  r.bind();
  const std::uint32_t id = r.ioas();
  const auto attach = [&](std::uint32_t argsz, std::uint32_t flags) {
    u::AttachIommufdPt cmd{.argsz = argsz, .flags = flags, .pt_id = id, .pasid = 1};
    return r.call(u::device_attach_iommufd_pt, cmd);
  };
  EXPECT_EQ(attach(11, 0), EINVAL);
  EXPECT_EQ(attach(12, 2), EINVAL);
  EXPECT_EQ(attach(15, u::attach_pasid), EINVAL) << "too short for a PASID";
  EXPECT_EQ(attach(16, u::attach_pasid), EINVAL) << "a device without PASIDs";
  EXPECT_EQ(attach(12, 0), 0);
  EXPECT_EQ(r.file->ioctl(u::device_attach_iommufd_pt, 0), -EFAULT);
}

struct WithPasids : testing::Test {
  Rig r;
  std::uint32_t table = 0;

  void SetUp() override {
    r.device.pasids = 16;
    ASSERT_EQ(r.bind(), 0);
    table = r.pasid_table(r.ioas());
    ASSERT_NE(table, 0u);
  }
  int attach(std::uint32_t id, std::uint32_t pasid) { return r.attach(id, u::attach_pasid, pasid); }
  int detach(std::uint32_t pasid, std::uint32_t flags = u::attach_pasid) {
    u::DetachIommufdPt cmd{.argsz = sizeof cmd, .flags = flags, .pasid = pasid};
    return r.call(u::device_detach_iommufd_pt, cmd);
  }
};

TEST_F(WithPasids, AreAttachedReplacedAndDetachedEachByItself) {
  EXPECT_EQ(attach(table, 3), 0);
  EXPECT_EQ(attach(table, 4), 0);
  const std::uint32_t other = r.pasid_table(r.ioas());
  EXPECT_EQ(attach(other, 3), 0);
  EXPECT_EQ(r.device.attached(iommu::Target::pasid(3)), r.unit.last_paging);
  EXPECT_EQ(r.device.attached(), nullptr);
  EXPECT_EQ(detach(3), 0);
  EXPECT_EQ(detach(3), 0) << "nothing is attached there any more";
  EXPECT_EQ(r.device.attached(iommu::Target::pasid(3)), nullptr);
  EXPECT_NE(r.device.attached(iommu::Target::pasid(4)), nullptr);
}

TEST_F(WithPasids, TheFieldMeansNothingWithoutTheFlag) {
  std::uint32_t id = table;
  EXPECT_EQ(r.attach(id, 0, 3), 0);
  EXPECT_NE(r.device.attached(), nullptr);
  EXPECT_EQ(attach(table, 3), 0);
  EXPECT_EQ(detach(3, 0), 0);
  EXPECT_EQ(r.device.attached(), nullptr);
  EXPECT_NE(r.device.attached(iommu::Target::pasid(3)), nullptr);
}

TEST_F(WithPasids, ZeroIsNoneAndTooLargeOnesAreEINVAL) {
  EXPECT_EQ(attach(table, 0), EINVAL);
  EXPECT_EQ(attach(table, 16), EINVAL);
  EXPECT_EQ(attach(table, ~0U), EINVAL);
  std::uint32_t id = table;
  ASSERT_EQ(r.attach(id), 0);
  EXPECT_EQ(detach(0), 0);
  EXPECT_NE(r.device.attached(), nullptr) << "and the RID stays where it is";
}

TEST_F(WithPasids, AMissingObjectIsENOENTAWrongOneAndAnIoasEINVAL) {
  EXPECT_EQ(attach(77, 3), ENOENT);
  EXPECT_EQ(attach(r.devid, 3), EINVAL);
  EXPECT_EQ(attach(r.ioas(), 3), EINVAL);
}

TEST_F(WithPasids, AnIdThatCannotBeWrittenDetachesThatOne) {
  std::uint32_t id = table;
  ASSERT_EQ(r.attach(id), 0);
  r.caller.read_only_from = Rig::at;
  EXPECT_EQ(attach(table, 3), EFAULT);
  EXPECT_EQ(r.device.attached(iommu::Target::pasid(3)), nullptr);
  EXPECT_NE(r.device.attached(), nullptr);
}

TEST_F(WithPasids, EndWithTheFile) {
  ASSERT_EQ(attach(table, 3), 0);
  r.file.reset();
  EXPECT_TRUE(r.device.at_pasids.empty());
}

TEST(VfioDetach, IsAlwaysZeroOnceItsArgumentsAreRight) {
  Rig r;
  r.bind();
  const auto detach = [&](std::uint32_t argsz, std::uint32_t flags) {
    u::DetachIommufdPt cmd{.argsz = argsz, .flags = flags, .pasid = 1};
    return r.call(u::device_detach_iommufd_pt, cmd);
  };
  EXPECT_EQ(detach(7, 0), EINVAL);
  EXPECT_EQ(detach(8, 2), EINVAL);
  EXPECT_EQ(detach(8, u::attach_pasid), EINVAL);
  EXPECT_EQ(detach(12, u::attach_pasid), 0);
  EXPECT_EQ(detach(8, 0), 0) << "nothing is attached";
  std::uint32_t id = r.ioas();
  r.attach(id);
  EXPECT_EQ(detach(8, 0), 0);
  EXPECT_EQ(r.device.attached(), nullptr);
}

} // namespace
} // namespace sluice::vfio::test

#include "rig.hpp"

#include <cerrno>

namespace sluice::vfio::test {
namespace {

struct Bound : Rig {
  explicit Bound(MsixCapability msix = MsixCapability::none, CdevConfig cdev_config = {})
      : Rig{msix, std::move(cdev_config)} {
    EXPECT_EQ(bind(), 0);
  }
};

TEST(VfioInfo, ADeviceIsPciCanBeResetAndHasNineRegionsAndFiveInterrupts) {
  Bound r;
  u::DeviceInfo info{.argsz = sizeof info, .flags = 0, .num_regions = 0, .num_irqs = 0, .cap_offset = 9, .pad = 9};
  EXPECT_EQ(r.call(u::device_get_info, info), 0);
  EXPECT_EQ(info.flags, u::device_flag_pci | u::device_flag_reset);
  EXPECT_EQ(info.num_regions, 9u);
  EXPECT_EQ(info.num_irqs, 5u);
  EXPECT_EQ(info.cap_offset, 0u);
}

TEST(VfioInfo, AnOldClientGetsWhatItKnows) {
  Bound r;
  u::DeviceInfo info{.argsz = 16, .flags = 0, .num_regions = 0, .num_irqs = 0, .cap_offset = 9, .pad = 9};
  EXPECT_EQ(r.call(u::device_get_info, info), 0);
  EXPECT_EQ(info.cap_offset, 9u) << "not written";
  info.argsz = 15;
  EXPECT_EQ(r.call(u::device_get_info, info), EINVAL);
  EXPECT_EQ(r.file->ioctl(u::device_get_info, 0), -EFAULT);
}

TEST(VfioInfo, RegionsLieAtTheirNumberTimesOneTerabyte) {
  Bound r;
  struct Region {
    std::uint32_t index;
    std::uint64_t size;
    std::uint32_t flags;
  };
  constexpr std::uint32_t rw = u::region_read | u::region_write;
  for (const auto& [index, size, flags] : {Region{0, 0x4000, rw}, Region{1, 0, 0}, Region{2, 0, 0}, Region{5, 0, 0},
                                           Region{6, 0, 0}, Region{7, 4096, rw}}) {
    u::RegionInfo info{.argsz = sizeof info, .flags = 9, .index = index, .cap_offset = 0, .size = 9, .offset = 9};
    EXPECT_EQ(r.call(u::device_get_region_info, info), 0);
    EXPECT_EQ(info.size, size) << index;
    EXPECT_EQ(info.flags, flags) << index;
    EXPECT_EQ(info.offset, std::uint64_t{index} << 40);
  }
}

TEST(VfioInfo, ThereIsNoVgaAndNoRegionBeyond) {
  Bound r;
  for (const std::uint32_t index : {8u, 9u, ~0u}) {
    u::RegionInfo info{.argsz = sizeof info, .flags = 0, .index = index, .cap_offset = 0, .size = 0, .offset = 0};
    EXPECT_EQ(r.call(u::device_get_region_info, info), EINVAL);
  }
  u::RegionInfo info{.argsz = 31, .flags = 0, .index = 0, .cap_offset = 0, .size = 0, .offset = 0};
  EXPECT_EQ(r.call(u::device_get_region_info, info), EINVAL);
}

struct IrqLine {
  std::uint32_t index, flags, count;
};

void expect_irqs(Rig& r, std::initializer_list<IrqLine> lines) {
  for (const auto& [index, flags, count] : lines) {
    u::IrqInfo info{.argsz = sizeof info, .flags = 0, .index = index, .count = 9};
    EXPECT_EQ(r.call(u::device_get_irq_info, info), 0);
    EXPECT_EQ(info.flags, flags) << index;
    EXPECT_EQ(info.count, count) << index;
  }
}

TEST(VfioInfo, InterruptsAreWhatTheFunctionHas) {
  Bound r;
  expect_irqs(r, {{0, 7, 1}, {1, 9, 0}, {2, 1, 0}, {3, 9, 1}, {4, 9, 1}});
  for (const auto& [argsz, index] : {std::pair{16u, 5u}, {15u, 0u}}) {
    u::IrqInfo info{.argsz = argsz, .flags = 0, .index = index, .count = 0};
    EXPECT_EQ(r.call(u::device_get_irq_info, info), EINVAL);
  }
}

TEST(VfioInfo, MsixHasTheVectorsOfItsTable) {
  Bound r{MsixCapability::plain};
  expect_irqs(r, {{2, 1, pcie::VirtioRng::vectors}});
  Bound fixed{MsixCapability::plain, {.dynamic_msix = false}};
  expect_irqs(fixed, {{2, 9, pcie::VirtioRng::vectors}});
}

TEST(VfioInfo, MsixThatIsDisguisedIsNotThere) {
  Bound r{MsixCapability::disguised};
  expect_irqs(r, {{2, 1, 0}});
}

TEST(VfioReset, ResetsTheFunctionAndKeepsItsConfiguration) {
  Bound r;
  r.start_guest();
  r.set_cfg(config::command, 2, config::command_memory_space | config::command_bus_master);
  r.set_cfg(pcie::hook::scratch, 4, 3);
  EXPECT_EQ(r.file->ioctl(u::device_reset, 0), 0);
  EXPECT_EQ(r.guest.status(), 0);
  EXPECT_EQ(r.cfg(config::command, 2), config::command_memory_space | config::command_bus_master);
  EXPECT_EQ(r.cfg(pcie::hook::scratch, 4), 3);
}

TEST(VfioHotReset, NamesTheDeviceAlone) {
  Bound r;
  struct {
    u::PciHotResetInfo info{.argsz = 20, .flags = 0, .count = 0};
    u::PciDependentDevice device{};
  } cmd;
  EXPECT_EQ(r.call(u::device_get_pci_hot_reset_info, cmd), 0);
  EXPECT_EQ(cmd.info.count, 1u);
  EXPECT_EQ(cmd.info.flags, 3u);
  EXPECT_EQ(cmd.device.devid, r.devid);
  EXPECT_EQ(cmd.device.bus, 9);
}

TEST(VfioHotReset, SaysHowMuchRoomItNeeds) {
  Bound r;
  u::PciHotResetInfo info{.argsz = 12, .flags = 0, .count = 0};
  EXPECT_EQ(r.call(u::device_get_pci_hot_reset_info, info), ENOSPC);
  EXPECT_EQ(info.count, 1u);
  info.argsz = 11;
  EXPECT_EQ(r.call(u::device_get_pci_hot_reset_info, info), EINVAL);
}

TEST(VfioHotReset, IsAResetWithoutGroups) {
  Bound r;
  r.start_guest();
  u::PciHotReset cmd{.argsz = 12, .flags = 0, .count = 1};
  EXPECT_EQ(r.call(u::device_pci_hot_reset, cmd), EINVAL);
  cmd = {.argsz = 12, .flags = 1, .count = 0};
  EXPECT_EQ(r.call(u::device_pci_hot_reset, cmd), EINVAL);
  EXPECT_NE(r.guest.status(), 0);
  cmd = {.argsz = 12, .flags = 0, .count = 0};
  EXPECT_EQ(r.call(u::device_pci_hot_reset, cmd), 0);
  EXPECT_EQ(r.guest.status(), 0);
}

} // namespace
} // namespace sluice::vfio::test

#include <sluice/pcie/function.hpp>

#include <gtest/gtest.h>

namespace sluice::pcie {
namespace {

class Plain : public Function {
public:
  Plain() : Function{{.vendor = 0x1b36, .device = 0x0011, .revision = 3, .class_code = 0x088000}, {0x0108, 0x208}} {
    add_bar(0, 0x4000);
  }
  std::uint64_t bar_read(unsigned, std::uint64_t offset, unsigned) override { return offset; }
  void bar_write(unsigned, std::uint64_t offset, unsigned, std::uint64_t) override { written = offset; }
  using Function::config;

  std::uint64_t written{~0ULL};
};

TEST(ConfigSpace, TheHeaderSaysWhoTheFunctionIs) {
  Plain f;
  EXPECT_EQ(f.config_read(config::vendor_id, 2), 0x1b36u);
  EXPECT_EQ(f.config_read(config::device_id, 2), 0x0011u);
  EXPECT_EQ(f.config_read(config::vendor_id, 4), 0x00111b36u);
  EXPECT_EQ(f.config_read(config::revision_id, 1), 3u);
  EXPECT_EQ(f.config_read(config::revision_id, 4), 0x08800003u);
}

TEST(ConfigSpace, ReadOnlyBitsKeepTheirValue) {
  Plain f;
  f.config_write(config::vendor_id, 4, 0);
  EXPECT_EQ(f.config_read(config::vendor_id, 4), 0x00111b36u);
}

TEST(ConfigSpace, AWriteOfOneByteLeavesItsNeighboursAlone) {
  Plain f;
  f.config_write(config::bar0, 4, 0xaabb0000);
  f.config_write(config::bar0 + 2, 1, 0x11);
  EXPECT_EQ(f.config_read(config::bar0, 4), 0xaa110004u);
}

TEST(ConfigSpace, AnErrorBitIsClearedByWritingOne) {
  Plain f;
  f.config().set(0x4a, 2, 0x5); // Device Status of the PCI Express capability
  f.config_write(0x4a, 2, 0x4);
  EXPECT_EQ(f.config_read(0x4a, 2), 0x1u);
}

TEST(ConfigSpace, AnUnalignedOrOutlyingAccessReadsAllOnesAndWritesNothing) {
  Plain f;
  EXPECT_EQ(f.config_read(1, 2), ~0u);
  EXPECT_EQ(f.config_read(4096, 4), ~0u);
  EXPECT_EQ(f.config_read(0, 3), ~0u);
  f.config_write(config::command + 1, 2, 0xffff);
  EXPECT_EQ(f.config_read(config::command, 2), 0u);
}

TEST(ConfigSpace, TheCapabilityListEndsAtPciExpress) {
  Plain f;
  EXPECT_NE(f.config_read(config::status, 2) & config::status_capabilities_list, 0u);
  const auto at = static_cast<std::uint16_t>(f.config_read(config::capabilities_pointer, 1));
  EXPECT_EQ(f.config_read(at, 1), config::id_pci_express);
  EXPECT_EQ(f.config_read(static_cast<std::uint16_t>(at + 1), 1), 0u);
}

TEST(ConfigSpace, CapabilitiesAreLinkedInTheOrderTheyWereAdded) {
  ConfigSpace space;
  const auto first = space.add_capability(0x11, 12);
  const auto second = space.add_capability(0x05, 24);
  EXPECT_EQ(space.read(config::capabilities_pointer, 1), first);
  EXPECT_EQ(space.read(static_cast<std::uint16_t>(first + 1), 1), second);
  EXPECT_EQ(space.read(second, 1), 0x05u);
  EXPECT_EQ(space.add_capability(0x09, 200), 0u) << "no room below 256";
}

TEST(ConfigSpace, ExtendedCapabilitiesBeginAt256) {
  ConfigSpace space;
  EXPECT_EQ(space.add_extended_capability(0x000f, 1, 8), 0x100u);
  EXPECT_EQ(space.add_extended_capability(0x001b, 1, 8), 0x108u);
  EXPECT_EQ(space.read(0x100, 4), 0x1081000fu);
  EXPECT_EQ(space.read(0x108, 4), 0x0001001bu);
}

TEST(Function, IsNoBusMasterUntilSoftwareSaysSo) {
  Plain f;
  EXPECT_FALSE(f.bus_master());
  f.config_write(config::command, 2, config::command_bus_master);
  EXPECT_TRUE(f.bus_master());
}

TEST(Function, ABarShowsItsSizeWhenOnesAreWritten) {
  Plain f;
  f.config_write(config::bar0, 4, ~0u);
  f.config_write(config::bar0 + 4, 4, ~0u);
  EXPECT_EQ(f.config_read(config::bar0, 4), 0xffffc004u);
  EXPECT_EQ(f.config_read(config::bar0 + 4, 4), ~0u);
}

TEST(Function, ABarDecodesOnlyWithMemorySpaceEnabled) {
  Plain f;
  f.config_write(config::bar0, 4, 0x10000000);
  f.config_write(config::bar0 + 4, 4, 0x1);
  EXPECT_EQ(f.memory_read(0x110000010, 4), ~0ULL);
  f.config_write(config::command, 2, config::command_memory_space);
  EXPECT_EQ(f.memory_read(0x110000010, 4), 0x10u);
  f.memory_write(0x110003ffc, 4, 1);
  EXPECT_EQ(f.written, 0x3ffcu);
  EXPECT_EQ(f.memory_read(0x110003ffe, 4), ~0ULL) << "across the end";
  EXPECT_EQ(f.memory_read(0x10ffffffc, 8), ~0ULL) << "across the beginning";
}

} // namespace
} // namespace sluice::pcie

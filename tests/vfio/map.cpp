#include "rig.hpp"

#include <array>
#include <cerrno>

// BARs that are memory, as memory of the client's.
namespace sluice::vfio::test {
namespace {

constexpr std::uint64_t bytes = 0x4000;

// BAR 0 is registers, BAR 2 memory, and in that one the MSI-X table if there is one.
class MemoryFunction final : public pcie::Function {
public:
  explicit MemoryFunction(bool msix) : Function{{.vendor = 0x1b36, .device = 1}, {0x900, 9}} {
    add_bar(0, 4096);
    add_memory_bar(2, memory);
    if (msix) {
      const std::uint16_t at = config().add_capability(config::id_msix, 12);
      config().set(static_cast<std::uint16_t>(at + 2), 2, 1); // two vectors
      config().set(static_cast<std::uint16_t>(at + 4), 4, 0x1000 | 2);
    }
  }
  void reset() override { memory.clear(); }
  bool mapped() const { return any_bar_mapped(); }

  std::vector<pcie::BarMemory::Word> words = std::vector<pcie::BarMemory::Word>(bytes / 8);
  pcie::BarMemory memory{words};

protected:
  std::uint64_t bar_read(unsigned index, std::uint64_t offset, unsigned size) override {
    return index == 2 ? memory.read(offset, size) : 0;
  }
  void bar_write(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value) override {
    if (index == 2) {
      memory.write(offset, size, value);
    }
  }
};

struct Mapped {
  explicit Mapped(bool msix = false) : function{msix} { EXPECT_EQ(bind(), 0); }

  template <class T>
  int call(std::uint32_t number, T& cmd) {
    std::memcpy(&r.caller.bytes[Rig::at], &cmd, sizeof cmd);
    const int result = -file->ioctl(number, Rig::at);
    std::memcpy(&cmd, &r.caller.bytes[Rig::at], sizeof cmd);
    return result;
  }
  int bind() {
    u::BindIommufd cmd{
        .argsz = sizeof cmd, .flags = 0, .iommufd = FakeIommufds::good, .out_devid = 0, .token_uuid_ptr = 0};
    return call(u::device_bind_iommufd, cmd);
  }
  base::Result<BarMapping> map(std::uint32_t region, std::uint64_t at, std::uint64_t length) {
    return file->map(Rig::region(region, at), length);
  }

  Rig r;
  MemoryFunction function;
  iommufd::test::FakeDevice device{r.unit};
  Cdev cdev{function, device, {r.caller, r.iommufds, r.vectors, r.guest.sync}};
  std::unique_ptr<File> file{cdev.open()};
};

TEST(VfioMap, ABarThatIsMemoryIsTheClients) {
  Mapped m;
  const auto bar = m.map(2, 0, bytes);
  ASSERT_TRUE(bar);
  EXPECT_EQ(bar->bytes().size(), bytes);
  bar->bytes()[0x1234] = std::byte{0x5a};
  EXPECT_EQ(m.file->pread(Rig::buffer, 1, Rig::region(2, 0x1234)), 1);
  EXPECT_EQ(m.r.caller.bytes[Rig::buffer], std::byte{0x5a});
  const auto part = m.map(2, 0x1000, 0x1000);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->bytes()[0x234], std::byte{0x5a});
}

TEST(VfioMap, NothingElseCanBeMapped) {
  Mapped m;
  struct Place {
    std::uint32_t region;
    std::uint64_t at, length;
  };
  for (const auto& [region, at, length] :
       {Place{0, 0, 0x1000}, Place{1, 0, 0x1000}, Place{3, 0, 0x1000}, Place{6, 0, 0x1000}, Place{7, 0, 0x1000},
        Place{8, 0, 0x1000}, Place{9, 0, 0x1000}, Place{2, bytes, 0x1000}, Place{2, 0, bytes + 0x1000},
        Place{2, 0x1000, bytes}, Place{2, 0x800, 0x1000}, Place{2, 0, 0}, Place{2, 0, 0x800},
        Place{2, 0x1000, ~0xfffULL}}) {
    const auto bar = m.map(region, at, length);
    EXPECT_FALSE(bar) << region << ", " << at << ", " << length;
    EXPECT_EQ(bar.error(), base::Errc::invalid_argument);
  }
  EXPECT_FALSE(m.function.mapped());
}

TEST(VfioMap, NothingIsMappedBeforeTheDeviceIsBound) {
  Mapped m;
  const auto second = m.cdev.open();
  EXPECT_EQ(second->map(Rig::region(2, 0), 0x1000).error(), base::Errc::invalid_argument);
}

TEST(VfioMap, TheDeviceKnowsAsLongAsSomethingIsMapped) {
  Mapped m;
  std::optional<BarMapping> first{*m.map(2, 0, 0x1000)};
  BarMapping second{*m.map(2, 0, 0x1000)};
  EXPECT_TRUE(m.function.mapped());
  first.reset();
  EXPECT_TRUE(m.function.mapped());
  BarMapping third{std::move(second)};
  second = {};
  EXPECT_TRUE(m.function.mapped());
  third = {};
  EXPECT_FALSE(m.function.mapped());
}

TEST(VfioMap, AResetKeepsTheMapping) {
  Mapped m;
  const auto bar = m.map(2, 0, 0x1000);
  bar->bytes()[8] = std::byte{1};
  EXPECT_EQ(m.file->ioctl(u::device_reset, 0), 0);
  EXPECT_EQ(bar->bytes()[8], std::byte{0});
  bar->bytes()[8] = std::byte{2};
  EXPECT_EQ(m.function.memory.read(8, 1), 2u);
}

TEST(VfioMap, TheNextClientFindsNothingOfTheOne) {
  Mapped m;
  const auto bar = m.map(2, 0, 0x1000);
  m.file.reset();
  bar->bytes()[8] = std::byte{1}; // late
  m.file = m.cdev.open();
  EXPECT_EQ(m.bind(), 0);
  EXPECT_EQ(m.function.memory.read(8, 1), 0u);
}

TEST(VfioMap, RegionsSayWhatCanBeMapped) {
  Mapped m;
  for (const auto& [index, size, flags] :
       {std::tuple{0u, 4096u, 3u}, {1u, 0u, 0u}, {2u, 0x4000u, 7u}, {3u, 0u, 0u}, {7u, 4096u, 3u}}) {
    u::RegionInfo info{.argsz = sizeof info, .flags = 0, .index = index, .cap_offset = 7, .size = 0, .offset = 0};
    EXPECT_EQ(m.call(u::device_get_region_info, info), 0);
    EXPECT_EQ(info.size, size) << index;
    EXPECT_EQ(info.flags, flags) << index;
    EXPECT_EQ(info.argsz, sizeof info);
  }
}

TEST(VfioMap, AMappedTableOfMsixIsACapabilityOfItsRegion) {
  Mapped m{true};
  struct {
    u::RegionInfo info{.argsz = 40, .flags = 0, .index = 2, .cap_offset = 0, .size = 0, .offset = 0};
    u::InfoCapHeader header{.id = 9, .version = 9, .next = 9};
  } cmd;
  EXPECT_EQ(m.call(u::device_get_region_info, cmd), 0);
  EXPECT_EQ(cmd.info.flags, 15u);
  EXPECT_EQ(cmd.info.argsz, 40u);
  EXPECT_EQ(cmd.info.cap_offset, 32u);
  EXPECT_EQ(cmd.header.id, u::region_cap_msix_mappable);
  EXPECT_EQ(cmd.header.version, 1u);
  EXPECT_EQ(cmd.header.next, 0u);
}

TEST(VfioMap, AClientWithoutRoomForCapabilitiesIsToldHowMuch) {
  Mapped m{true};
  struct {
    u::RegionInfo info{.argsz = 39, .flags = 0, .index = 2, .cap_offset = 7, .size = 0, .offset = 0};
    u::InfoCapHeader header{.id = 9, .version = 9, .next = 9};
  } cmd;
  EXPECT_EQ(m.call(u::device_get_region_info, cmd), 0);
  EXPECT_EQ(cmd.info.flags, 15u);
  EXPECT_EQ(cmd.info.argsz, 40u);
  EXPECT_EQ(cmd.info.cap_offset, 0u);
  EXPECT_EQ(cmd.header.id, 9u) << "not written";
}

TEST(VfioMap, TheWholeBarIsMappedTheTableToo) {
  Mapped m{true};
  EXPECT_TRUE(m.map(2, 0, bytes));
  EXPECT_TRUE(m.map(2, 0x1000, 0x1000));
  EXPECT_EQ(m.file->pread(Rig::buffer, 4, Rig::region(2, 0x1000)), 4);
  std::uint32_t word = 0;
  std::memcpy(&word, &m.r.caller.bytes[Rig::buffer], 4);
  EXPECT_EQ(word, ~0u) << "but not read through the descriptor";
}

} // namespace
} // namespace sluice::vfio::test

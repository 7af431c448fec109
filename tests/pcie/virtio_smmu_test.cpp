#include "../model/rig.hpp"

#include <sluice/pcie/virtio_rng.hpp>

namespace sluice::pcie {
namespace {

using arch::Event;
using arch::EventType;
using MsixCapability = VirtioRngConfig::MsixCapability;

// An entropy source behind two stages. What the guest owns lies at IPA = PA + offset, and its ring and buffers where no
// IPA is.
class BehindBothStages : public testing::Test {
protected:
  static constexpr std::uint64_t offset = 0x10'0000'0000;
  static constexpr std::uint32_t stream = 5;
  static constexpr std::uint64_t ring = 0x10'0000;
  static constexpr std::uint64_t buffer = 0x20'0000;
  static constexpr std::uint64_t descriptors = ring;
  static constexpr std::uint64_t driver = ring + 0x400;
  static constexpr std::uint64_t device = ring + 0x800;

  BehindBothStages()
      : s2{rig.stage2_tree()}, s1{rig.tree()}, ring_page{rig.ram.alloc(4096)}, buffer_page{rig.ram.alloc(4096)} {
    const std::uint64_t cd_at = rig.ram.alloc(4096);
    model::test::Tree guest = s1;
    guest.root += offset;
    rig.put(cd_at, rig.cd(guest));
    expose(cd_at);
    rig.put_ste(stream, rig.nested(rig.stage1_ste(cd_at + offset), rig.stage2_ste(s2)));
    rig.run({arch::cmd::cfgi_ste(stream, true)});
    map(ring, ring_page);
    map(buffer, buffer_page);
    start();
  }

  void expose(std::uint64_t pa) { rig.map(s2, (pa & ~0xfffULL) + offset, pa & ~0xfffULL, model::test::s2_rw); }
  // The address of the guest's leaf.
  std::uint64_t map(std::uint64_t iova, std::uint64_t pa) {
    const auto leaf = rig.map(s1, iova, pa + offset, model::test::s1_rw, 3, offset);
    for (int level = 1; level <= 3; ++level) {
      expose(rig.slot(s1, iova, level, offset));
    }
    expose(pa);
    return leaf;
  }
  void unmap(std::uint64_t iova) { rig.ram.put(rig.slot(s1, iova, 3, offset), 0); }

  void start() {
    using namespace virtio::common;
    rng.config_write(config::command, 2, config::command_bus_master);
    set(driver_feature_select, 4, 1);
    set(driver_feature, 4, 3);
    set(device_status, 1, 0xb);
    set(queue_desc, 8, descriptors);
    set(queue_driver, 8, driver);
    set(queue_device, 8, device);
    set(queue_enable, 2, 1);
    set(device_status, 1, 0xf);
  }
  void set(std::uint64_t at, unsigned size, std::uint64_t value) { rng.region_write(0, at, size, value); }
  void offer() {
    rig.ram.put(ring_page, buffer);
    rig.ram.put(ring_page + 8, 64 | std::uint64_t{virtio::descriptor_write} << 32);
    rig.ram.put(ring_page + 0x400, std::uint64_t{++available} << 16);
    set(VirtioRng::notify_at, 2, 0);
    run();
  }
  void run() {
    while (rng.run(master)) {
    }
  }
  hook::Result issue(hook::Command command, std::uint64_t iova = 0) {
    rng.config_write(hook::address, 4, static_cast<std::uint32_t>(iova));
    rng.config_write(hook::address + 4, 4, static_cast<std::uint32_t>(iova >> 32));
    rng.config_write(hook::command, 1, static_cast<std::uint32_t>(command));
    run();
    return static_cast<hook::Result>(rng.config_read(hook::result, 1));
  }
  std::string text(std::uint64_t pa, std::uint32_t size) {
    std::string out(size, '\0');
    rig.ram.read({.address = pa, .size = size}, out.data());
    return out;
  }

  model::test::Rig rig;
  model::test::Tree s2, s1;
  std::uint64_t ring_page, buffer_page;
  PortMaster master{*rig.port};
  VirtioRng rng{{.name = "nested", .msix = MsixCapability::disguised}, {.requester = 5, .stream = stream}, rig.sync};
  std::uint16_t available{};
};

TEST_F(BehindBothStages, MarksArriveInTheGuestsBuffer) {
  offer();
  EXPECT_EQ(text(buffer_page, 64), rng.stream_of_marks().text(0, 64));
  EXPECT_EQ(rig.ram.get(ring_page + 0x800) >> 16 & 0xffff, 1u);
  EXPECT_EQ(rng.dma_counters().faulted, 0u);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(BehindBothStages, AnUnmappedBufferIsAnEventAndABrokenRing) {
  unmap(buffer);
  offer();
  const Event e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_TRANSLATION);
  EXPECT_EQ(e.get(Event::StreamID), stream);
  EXPECT_EQ(e.get(Event::InputAddr), buffer);
  EXPECT_EQ(rng.ring_fault(), RingFault::access);
  EXPECT_EQ(rng.dma_counters().recorded, 1u);
}

TEST_F(BehindBothStages, ARequestThatATestAsksForFaultsAtItsAddress) {
  EXPECT_EQ(issue(hook::Command::read, 0x12'3456'7beeULL), hook::Result::aborted);
  const Event e = rig.event();
  EXPECT_EQ(e.get(Event::InputAddr), 0x12'3456'7beeULL);
  EXPECT_EQ(e.get(Event::RnW), 1u);
}

TEST_F(BehindBothStages, AForgottenInvalidationIsFoundByRepeatingADelivery) {
  offer();
  unmap(buffer);
  EXPECT_EQ(issue(hook::Command::repeat), hook::Result::served) << "stale";
  rig.run({arch::cmd::tlbi_nsnh_all()});
  EXPECT_EQ(issue(hook::Command::repeat), hook::Result::aborted);
}

TEST_F(BehindBothStages, AMessageGoesTheWayOfTheData) {
  constexpr std::uint64_t doorbell = 0x30'0000;
  const std::uint64_t page = rig.ram.alloc(4096);
  map(doorbell, page);
  rng.reset();
  rng.region_write(VirtioRng::msix_bar, 0, 4, doorbell + 0x40);
  rng.region_write(VirtioRng::msix_bar, 8, 4, 0x51);
  rng.region_write(VirtioRng::msix_bar, 12, 4, 0);
  rng.config_write(VirtioRng::msix_at + 2, 2, Msix::enable_bit);
  start();
  set(virtio::common::queue_msix_vector, 2, 0);
  offer();
  EXPECT_EQ(rig.ram.get(page + 0x40), 0x51u);
}

} // namespace
} // namespace sluice::pcie

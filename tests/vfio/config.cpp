#include "rig.hpp"

#include <cerrno>

namespace sluice::vfio::test {
namespace {

// A function with the extended capabilities that matter to an IOMMU.
class Rich : public pcie::Function {
public:
  explicit Rich(std::vector<std::uint16_t> extended)
      : Function{{.vendor = 0x1234, .device = 1, .revision = 0, .class_code = 0xff0000},
                 {.requester = 0, .stream = 0}} {
    add_bar(0, 1ULL << 33);
    add_bar32(2, 0x1000);
    config().add_capability(0x0d, 8); // a bridge's: vfio-pci does not show it
    config().add_capability(0x05, 14);
    config().set(0x86, 2, 0x0080); // MSI with 64 bits
    config().add_capability(0x09, 8);
    config().set(0x96, 1, 8);
    config().make_writable(0x96, 2, 0xffff);
    for (const std::uint16_t id : extended) {
      const auto at = config().add_extended_capability(id, 1, 16);
      config().make_writable(static_cast<std::uint16_t>(at + 4), 4, ~0u);
      config().set(static_cast<std::uint16_t>(at + 4), 4, 0x5a5a0000u | id);
    }
  }
  using Function::config;
};

constexpr std::uint16_t ats = 0x0f;
constexpr std::uint16_t pri = 0x13;
constexpr std::uint16_t pasid = 0x1b;

struct View {
  explicit View(std::vector<std::uint16_t> extended = {}, bool show_pasid = false)
      : function{std::move(extended)}, view{function, show_pasid} {
    view.open();
  }
  std::uint32_t read(unsigned at, unsigned size) { return view.read(static_cast<std::uint16_t>(at), size); }
  void write(unsigned at, unsigned size, std::uint32_t value) {
    view.write(static_cast<std::uint16_t>(at), size, value);
  }
  std::vector<std::uint16_t> capabilities() {
    std::vector<std::uint16_t> found;
    for (auto at = read(config::capabilities_pointer, 1); at != 0 && found.size() < 64; at = read(at + 1, 1)) {
      found.push_back(static_cast<std::uint16_t>(at));
    }
    return found;
  }
  std::vector<std::uint16_t> extended() {
    std::vector<std::uint16_t> found;
    for (std::uint32_t at = 0x100; at != 0 && found.size() < 64; at = read(at, 4) >> 20) {
      found.push_back(static_cast<std::uint16_t>(read(at, 4)));
    }
    return found;
  }

  Rich function;
  ConfigView view;
};

TEST(VfioConfig, IdsAreTheFunctions) {
  View v;
  EXPECT_EQ(v.read(config::vendor_id, 4), 0x00011234u);
  v.write(config::vendor_id, 4, ~0u);
  EXPECT_EQ(v.read(config::vendor_id, 4), 0x00011234u);
}

TEST(VfioConfig, ABarShowsItsSizeAndKeepsTheClientsAddress) {
  View v;
  v.write(config::bar0, 4, ~0u);
  v.write(config::bar0 + 4, 4, ~0u);
  EXPECT_EQ(v.read(config::bar0, 4), 0x4u);
  EXPECT_EQ(v.read(config::bar0 + 4, 4), 0xfffffffeu);
  v.write(config::bar0 + 8, 4, ~0u);
  EXPECT_EQ(v.read(config::bar0 + 8, 4), 0xfffff000u);
  v.write(config::bar0 + 8, 4, 0x12345678);
  EXPECT_EQ(v.read(config::bar0 + 8, 4), 0x12345000u);
  EXPECT_EQ(v.function.config_read(config::bar0 + 8, 4), 0u) << "the real one is the host's";
}

TEST(VfioConfig, ABarThatIsNotThereAndTheRomReadAsZero) {
  View v;
  for (const unsigned at : {config::bar0 + 12u, config::bar0 + 20u, unsigned{config::rom}}) {
    v.write(at, 4, ~0u);
    EXPECT_EQ(v.read(at, 4), 0u) << at;
  }
}

TEST(VfioConfig, TheCommandRegisterReachesTheFunctionButForInterruptDisable) {
  View v;
  v.write(config::command, 2,
          config::command_bus_master | config::command_memory_space | config::command_interrupt_disable);
  EXPECT_EQ(v.function.config_read(config::command, 2), config::command_bus_master | config::command_memory_space);
  EXPECT_EQ(v.read(config::command, 2),
            config::command_bus_master | config::command_memory_space | config::command_interrupt_disable);
  EXPECT_TRUE(v.view.interrupt_disabled());
  EXPECT_TRUE(v.view.memory_enabled());
  v.write(config::command + 1, 1, 0);
  EXPECT_FALSE(v.view.interrupt_disabled());
  EXPECT_TRUE(v.view.memory_enabled());
}

TEST(VfioConfig, TheInterruptLineIsTheClients) {
  View v;
  v.write(config::interrupt_line, 1, 0x2a);
  EXPECT_EQ(v.read(config::interrupt_line, 1), 0x2au);
  v.write(config::interrupt_pin, 1, 3);
  EXPECT_EQ(v.read(config::interrupt_pin, 1), 0u) << "the function has none";
}

TEST(VfioConfig, CapabilitiesThatAreNotForClientsArePassedOver) {
  View v;
  EXPECT_EQ(v.capabilities(), (std::vector<std::uint16_t>{0x40, 0x84, 0x94}));
}

TEST(VfioConfig, LinksAreReadOnly) {
  View v;
  v.write(0x41, 1, 0);
  v.write(0x95, 1, 0x40);
  EXPECT_EQ(v.capabilities().size(), 3u);
}

TEST(VfioConfig, SizesOfRequestsAreTheClientsToSetAndTheHostsToUse) {
  View v;
  const unsigned control = 0x40 + 0x08;
  v.write(control, 2, 0x50a0);
  EXPECT_EQ(v.read(control, 2) & 0x70e0u, 0x50a0u);
  EXPECT_EQ(v.function.config_read(0x40 + 0x08, 2) & 0x70e0u, 0u);
}

TEST(VfioConfig, PciExpressIsReadOnlyButForItsControls) {
  View v;
  const std::uint32_t capabilities = v.read(0x44, 4);
  v.write(0x44, 4, 0);
  EXPECT_EQ(v.read(0x44, 4), capabilities);
  v.write(0x48, 2, 0xffff);
  EXPECT_EQ(v.read(0x48, 2), 0x7cffu) << "what the function lets be written; no reset";
}

TEST(VfioConfig, MsiAddressAndDataStayHere) {
  View v;
  v.write(0x88, 4, 0xfee00000);
  v.write(0x8c, 4, 1);
  v.write(0x90, 2, 0x41);
  v.write(0x86, 2, 1);
  EXPECT_EQ(v.read(0x88, 4), 0xfee00000u);
  EXPECT_EQ(v.read(0x8c, 4), 1u);
  EXPECT_EQ(v.read(0x90, 2), 0x41u);
  EXPECT_EQ(v.read(0x86, 2), 0x80u) << "enabled by SET_IRQS";
  EXPECT_EQ(v.function.config_read(0x88, 4), 0u);
}

TEST(VfioConfig, AVendorsCapabilityPasses) {
  View v;
  v.write(0x96, 2, 0xab08);
  EXPECT_EQ(v.function.config_read(0x96, 2), 0xab08u);
}

TEST(VfioConfig, AtsAndPriAreReadOnly) {
  View v{{ats, pri}};
  EXPECT_EQ(v.extended(), (std::vector<std::uint16_t>{ats, pri}));
  for (const unsigned at : {0x104u, 0x114u}) {
    const std::uint32_t before = v.read(at, 4);
    EXPECT_EQ(before >> 16, 0x5a5au);
    v.write(at, 4, ~0u);
    EXPECT_EQ(v.read(at, 4), before);
  }
}

TEST(VfioConfig, PasidIsHiddenAndItsRegistersAreOutOfReach) {
  View v{{ats, pasid, pri}};
  EXPECT_EQ(v.extended(), (std::vector<std::uint16_t>{ats, pri}));
  v.write(0x114, 4, ~0u);
  EXPECT_EQ(v.read(0x114, 4), 0u);
  EXPECT_EQ(v.function.config_read(0x114, 4), 0x5a5a0000u | pasid);
}

TEST(VfioConfig, AHiddenFirstCapabilityHoldsTheList) {
  View v{{pasid, ats}};
  EXPECT_EQ(v.extended(), (std::vector<std::uint16_t>{0, ats}));
}

TEST(VfioConfig, NothingToShowIsNoList) {
  View v{{pasid}};
  EXPECT_EQ(v.read(0x100, 4), 0u);
}

TEST(VfioConfig, AKnobShowsPasid) {
  View v{{ats, pasid}, true};
  EXPECT_EQ(v.extended(), (std::vector<std::uint16_t>{ats, pasid}));
}

TEST(VfioConfig, WhatNoCapabilityOwnsPasses) {
  Rig r;
  r.bind();
  EXPECT_EQ(r.set_cfg(pcie::hook::scratch, 4, 0x1234), 0);
  EXPECT_EQ(r.guest.rng.config_read(pcie::hook::scratch, 4), 0x1234u);
}

TEST(VfioConfig, ADisguisedMsixIsTheGuests) {
  Rig r{MsixCapability::disguised};
  r.bind();
  EXPECT_EQ(r.cfg(pcie::VirtioRng::msix_at, 1), config::id_vendor_specific);
  EXPECT_EQ(r.file->ioctl(u::device_reset, 0), 0);
  EXPECT_EQ(r.cfg(pcie::VirtioRng::msix_at, 2) & 0xff, config::id_msix);
  EXPECT_EQ(r.set_cfg(pcie::VirtioRng::msix_at + 2, 2, pcie::Msix::enable_bit), 0);
  EXPECT_EQ(r.guest.rng.config_read(pcie::VirtioRng::msix_at + 2, 2) & pcie::Msix::enable_bit, pcie::Msix::enable_bit);
  EXPECT_EQ(r.poke(pcie::VirtioRng::msix_bar, 8, 4, 0x77), 0) << "and its table too";
  EXPECT_EQ(r.peek(pcie::VirtioRng::msix_bar, 8, 4), 0x77);
}

TEST(VfioAccess, ConfigurationSpaceIsReadInOneCallOrByBytes) {
  Rig r;
  r.bind();
  EXPECT_EQ(r.file->pread(Rig::buffer, 4096, Rig::region(u::region_config, 0)), 4096);
  const std::vector<std::byte> whole{&r.caller.bytes[Rig::buffer], &r.caller.bytes[Rig::buffer + 4096]};
  for (unsigned at = 0; at < 256; ++at) {
    EXPECT_EQ(r.cfg(at, 1), std::to_integer<std::int64_t>(whole[at])) << at;
  }
  EXPECT_EQ(r.cfg(1, 4), 0x0210441a) << "unaligned";
}

TEST(VfioAccess, ConfigurationSpaceEndsAt4096WithEFAULT) {
  Rig r;
  r.bind();
  EXPECT_EQ(r.file->pread(Rig::buffer, 1, Rig::region(u::region_config, 4096)), -EFAULT);
  EXPECT_EQ(r.file->pread(Rig::buffer, 8, Rig::region(u::region_config, 4092)), -EFAULT);
  EXPECT_EQ(r.file->pread(Rig::buffer, ~0ULL, Rig::region(u::region_config, 4)), -EFAULT);
}

TEST(VfioAccess, ABadBufferIsEFAULT) {
  Rig r;
  r.bind();
  EXPECT_EQ(r.file->pread(0, 4, Rig::region(u::region_config, 0)), -EFAULT);
  EXPECT_EQ(r.file->pwrite(0, 4, Rig::region(u::region_config, 0)), -EFAULT);
  EXPECT_EQ(r.file->pread(0, 4, Rig::region(0, 0)), -EFAULT);
  EXPECT_EQ(r.file->pwrite(0, 4, Rig::region(0, 0)), -EFAULT);
}

TEST(VfioAccess, ABarIsTheDevices) {
  Rig r;
  r.bind();
  EXPECT_EQ(r.peek(0, pcie::virtio::common::num_queues, 2), 1);
  EXPECT_EQ(r.poke(0, pcie::virtio::common::device_status, 1, 3), 0);
  EXPECT_EQ(r.peek(0, pcie::virtio::common::device_status, 1), 3);
}

TEST(VfioAccess, ABarWithoutMemorySpaceIsEIO) {
  Rig r;
  r.bind();
  r.set_cfg(config::command, 2, 0);
  EXPECT_EQ(r.peek(0, 0, 4), -EIO);
  EXPECT_EQ(r.poke(0, 0, 4, 0), -EIO);
}

TEST(VfioAccess, AnAccessStopsAtTheBarsEnd) {
  Rig r;
  r.bind();
  EXPECT_EQ(r.file->pread(Rig::buffer, 64, Rig::region(0, 0x4000 - 8)), 8);
  EXPECT_EQ(r.file->pread(Rig::buffer, 4, Rig::region(0, 0x4000)), -EINVAL);
}

TEST(VfioAccess, RegionsThatAreNotThereAreEINVAL) {
  Rig r;
  r.bind();
  for (const std::uint32_t index : {1u, 2u, 6u, 8u, 9u, 0xffffffu}) {
    EXPECT_EQ(r.peek(index, 0, 4), -EINVAL) << index;
    EXPECT_EQ(r.poke(index, 0, 4, 0), -EINVAL) << index;
  }
}

TEST(VfioAccess, TheMsixTableIsTheHosts) {
  Rig r{MsixCapability::plain};
  r.bind();
  EXPECT_EQ(r.poke(pcie::VirtioRng::msix_bar, 0, 4, 0x1000), 0);
  EXPECT_EQ(r.peek(pcie::VirtioRng::msix_bar, 0, 4), 0xffffffff);
  EXPECT_EQ(r.guest.rng.region_read(pcie::VirtioRng::msix_bar, 0, 4), 0u);
  EXPECT_EQ(r.peek(pcie::VirtioRng::msix_bar, pcie::Msix::pending_offset, 4), 0);
  EXPECT_EQ(r.set_cfg(pcie::VirtioRng::msix_at + 2, 2, pcie::Msix::enable_bit), 0);
  EXPECT_EQ(r.cfg(pcie::VirtioRng::msix_at + 2, 2), pcie::VirtioRng::vectors - 1) << "enabled by SET_IRQS";
}

} // namespace
} // namespace sluice::vfio::test

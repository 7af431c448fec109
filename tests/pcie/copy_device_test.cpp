#include "../model/ats.hpp"

#include <sluice/pcie/copy_device.hpp>

namespace sluice::pcie {
namespace {

using model::test::s1_ro;
using model::test::s1_rw;
using State = CopyDevice::State;

// A copy engine whose driver writes its registers, behind an SMMU with tables written by hand.
class CopyDeviceTest : public testing::Test, private Worker {
protected:
  static constexpr std::uint32_t device_sid = 3;
  static constexpr std::uint64_t from = 0x40'0000, to = 0x50'0000;
  static constexpr std::uint64_t from_pa = 0x60'0000, to_pa = 0x70'0000;

  CopyDeviceTest() : CopyDeviceTest{AtsConfig{.capabilities = {.ats = true, .pasid_bits = 8}}} {}
  explicit CopyDeviceTest(const AtsConfig& ats) : device{{device_sid, device_sid}, ats, rig.sync, rig.time} {
    tree = rig.ats_stream(device_sid);
    rig.map(tree, from, from_pa, s1_rw);
    rig.map(tree, to, to_pa, s1_rw);
    rig.ram.put(from_pa, 0x1122'3344'5566'7788);
    device.set_worker(this);
    device.config_write(config::command, 2, config::command_memory_space | config::command_bus_master);
  }
  void put(std::uint64_t at, std::uint64_t value, unsigned size) { device.region_write(0, at, size, value); }
  std::uint64_t get(std::uint64_t at, unsigned size) { return device.region_read(0, at, size); }
  State state() { return static_cast<State>(get(CopyDevice::status_at, 4)); }
  void job(std::uint64_t source, std::uint64_t destination, std::uint32_t size) {
    put(CopyDevice::source_at, source, 8);
    put(CopyDevice::destination_at, destination, 8);
    put(CopyDevice::size_at, size, 4);
    put(CopyDevice::doorbell_at, 1, 4);
  }
  State done(std::uint64_t source, std::uint64_t destination, std::uint32_t size = 8) {
    job(source, destination, size);
    device.run(*rig.port);
    return state();
  }
  // Of the extended capability with this number: its control register.
  std::uint16_t control(std::uint16_t id) {
    auto at = config::extended_capabilities;
    while (device.config_read(at, 2) != id) {
      at = static_cast<std::uint16_t>(device.config_read(at, 4) >> 20);
    }
    return static_cast<std::uint16_t>(at + platform::pci::ats_control);
  }
  void enable_ats() { device.config_write(control(platform::pci::ats_id), 2, platform::pci::ats_enable); }
  void enable_pasid() { device.config_write(control(platform::pci::pasid_id), 2, platform::pci::pasid_enable); }

  model::test::AtsRig rig;
  CopyDevice device;
  model::test::Tree tree;
  unsigned calls{};

private:
  void on_work() override { ++calls; }
};

TEST_F(CopyDeviceTest, AJobBeginsWithTheDoorbellAndIsDoneByWhoeverRunsIt) {
  job(from, to, 8);
  EXPECT_EQ(calls, 1u);
  EXPECT_EQ(state(), State::busy);
  EXPECT_EQ(rig.ram.get(to_pa), 0u);
  device.run(*rig.port);
  EXPECT_EQ(state(), State::done);
  EXPECT_EQ(rig.ram.get(to_pa), 0x1122'3344'5566'7788u);
  EXPECT_EQ(get(CopyDevice::moved_at, 8), 8u);
  EXPECT_EQ(get(CopyDevice::jobs_at, 4), 1u);
}

TEST_F(CopyDeviceTest, SizeAndDoorbellCanBeWrittenAtOnce) {
  put(CopyDevice::source_at, from, 8);
  put(CopyDevice::destination_at, to, 8);
  put(CopyDevice::size_at, 1ULL << 32 | 8, 8);
  EXPECT_EQ(state(), State::busy);
}

TEST_F(CopyDeviceTest, AddressesCanBeWrittenByHalves) {
  put(CopyDevice::source_at, 0xaaaa'aaaa'bbbb'bbbb, 8);
  put(CopyDevice::source_at + 4, 0x1234, 4);
  EXPECT_EQ(get(CopyDevice::source_at, 8), 0x1234'bbbb'bbbbu);
  put(CopyDevice::source_at, 0x5678, 4);
  EXPECT_EQ(get(CopyDevice::source_at, 8), 0x1234'0000'5678u);
  EXPECT_EQ(get(CopyDevice::source_at + 4, 4), 0x1234u);
}

TEST_F(CopyDeviceTest, OtherSizesAndUnalignedAccessesHaveNoEffect) {
  put(CopyDevice::source_at, 0x1111, 8);
  put(CopyDevice::source_at, 0x2222, 2);
  put(CopyDevice::source_at + 4, 0x3333, 8);
  EXPECT_EQ(get(CopyDevice::source_at, 8), 0x1111u);
  EXPECT_EQ(get(CopyDevice::source_at, 2), 0u);
  EXPECT_EQ(get(CopyDevice::bar_bytes - 8, 8), 0u);
}

TEST_F(CopyDeviceTest, WhileAJobIsUnderWayWritesHaveNoEffect) {
  job(from, to, 8);
  put(CopyDevice::destination_at, to + 0x1000, 8);
  put(CopyDevice::doorbell_at, 1, 4);
  EXPECT_EQ(calls, 1u);
  device.run(*rig.port);
  EXPECT_EQ(rig.ram.get(to_pa), 0x1122'3344'5566'7788u);
}

TEST_F(CopyDeviceTest, AJobOfNoBytesOrTooManyIsRefused) {
  for (const std::uint32_t size : {0U, CopyDevice::longest + 1}) {
    job(from, to, size);
    EXPECT_EQ(state(), State::bad_size) << size;
  }
  EXPECT_EQ(calls, 0u);
  EXPECT_EQ(get(CopyDevice::jobs_at, 4), 2u);
}

TEST_F(CopyDeviceTest, AnAbortSaysWhereAndWhich) {
  EXPECT_EQ(done(from + 0x1000, to), State::read_aborted);
  EXPECT_EQ(get(CopyDevice::fault_at, 8), from + 0x1000);
  EXPECT_EQ(done(from, to + 0xff8, 16), State::write_aborted);
  EXPECT_EQ(get(CopyDevice::fault_at, 8), to + 0x1000);
  EXPECT_EQ(get(CopyDevice::moved_at, 8), 8u);
  EXPECT_EQ(device.counters().aborted, 2u);
  EXPECT_EQ(done(from, to), State::done);
  EXPECT_EQ(get(CopyDevice::fault_at, 8), 0u) << "of the latest job";
}

// 7.5.1.1.3
TEST_F(CopyDeviceTest, WithoutBusMasterEnableNothingIsMoved) {
  device.config_write(config::command, 2, config::command_memory_space);
  EXPECT_EQ(done(from, to), State::no_master);
  EXPECT_EQ(rig.ram.get(to_pa), 0u);
}

TEST_F(CopyDeviceTest, WithATSEnableItGoesTranslatedAndAnInvalidationIsHeard) {
  enable_ats();
  EXPECT_EQ(done(from, to), State::done);
  EXPECT_EQ(done(from, to), State::done);
  EXPECT_EQ(rig.port->counters().translated, 4u);
  EXPECT_EQ(rig.port->counters().translation_requests, 2u);
  EXPECT_EQ(device.invalidate_atc({.stream_id = device_sid, .address = from}), model::AtcAnswer::completed);
  EXPECT_EQ(done(from, to), State::done);
  EXPECT_EQ(rig.port->counters().translation_requests, 3u);
}

TEST_F(CopyDeviceTest, AJobCanGoUntranslatedInSpiteOfATSEnable) {
  enable_ats();
  put(CopyDevice::mode_at, CopyDevice::untranslated, 4);
  EXPECT_EQ(done(from, to), State::done);
  EXPECT_EQ(rig.port->counters().translated, 0u);
  EXPECT_EQ(done(from + 0x1000, to), State::read_aborted);
  EXPECT_EQ(rig.event().get(arch::Event::Type), arch::EventType::F_TRANSLATION) << "3.9.1.2: a request makes none";
}

// 6.20
TEST_F(CopyDeviceTest, AJobWithAPASIDUsesThatPASIDsTables) {
  put(CopyDevice::pasid_at, CopyDevice::with_pasid | 5, 4);
  EXPECT_EQ(done(from, to), State::no_pasid) << "not enabled";
  enable_pasid();
  put(CopyDevice::mode_at, CopyDevice::untranslated, 4);
  EXPECT_EQ(done(from, to), State::read_aborted);
  EXPECT_EQ(rig.event().get(arch::Event::SubstreamID), 5u);
  put(CopyDevice::pasid_at, CopyDevice::with_pasid | 0x100, 4);
  EXPECT_EQ(done(from, to), State::no_pasid) << "PASIDs have 8 bits";
  put(CopyDevice::pasid_at, 5, 4);
  EXPECT_EQ(done(from, to), State::done) << "without";
}

TEST_F(CopyDeviceTest, BitsOfModeAndPASIDThatAreNoneReadAsZero) {
  put(CopyDevice::mode_at, ~0ULL, 8);
  EXPECT_EQ(get(CopyDevice::mode_at, 4), CopyDevice::untranslated);
  EXPECT_EQ(get(CopyDevice::pasid_at, 4), CopyDevice::with_pasid | CopyDevice::pasid_bits);
}

TEST_F(CopyDeviceTest, AResetForgetsTheJobAndSwitchesTranslationsOff) {
  enable_ats();
  enable_pasid();
  put(CopyDevice::mode_at, CopyDevice::untranslated, 4);
  job(from, to, 8);
  device.reset();
  device.run(*rig.port);
  EXPECT_EQ(rig.ram.get(to_pa), 0u);
  EXPECT_EQ(state(), State::idle);
  for (const std::uint64_t at : {CopyDevice::source_at, CopyDevice::destination_at, CopyDevice::mode_at}) {
    EXPECT_EQ(get(at, 8), 0u);
  }
  EXPECT_EQ(device.config_read(control(platform::pci::ats_id), 2), 0u);
  EXPECT_EQ(device.config_read(control(platform::pci::pasid_id), 2), 0u);
}

// 6.20.1: what Linux looks at before it enables PASIDs.
TEST_F(CopyDeviceTest, WithPASIDsItSupportsEndEndTLPPrefixes) {
  constexpr std::uint16_t express = 0x40;
  ASSERT_EQ(device.config_read(express, 1), config::id_pci_express);
  const auto bits = [](const CopyDevice& d) {
    return d.config_read(express + config::device_capabilities_2, 4) & config::end_end_tlp_prefixes;
  };
  EXPECT_NE(bits(device), 0u);
  const CopyDevice plain{{1, 1}, {}, rig.sync, rig.time};
  EXPECT_EQ(bits(plain), 0u);
  EXPECT_EQ(plain.config_read(config::extended_capabilities, 4), 0u) << "no extended capability";
}

} // namespace
} // namespace sluice::pcie

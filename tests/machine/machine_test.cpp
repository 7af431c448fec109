#include <sluice/arch/commands.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/hosted/scratch.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace sluice::machine {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::uint64_t iova = 0x12345000;

Config one_smmu(std::vector<std::uint32_t> streams = {0x8, 0x10}) {
  Config config;
  config.smmus.push_back({.streams = std::move(streams)});
  config.smmus.back().driver.stream_bits = 12;
  config.port.arena.size = 16 << 20;
  return config;
}

// The events that a domain was told of.
class Faults final : public iommu::FaultHandler {
public:
  void on_fault(const iommu::Fault& fault) override {
    kind.store(fault.kind);
    at.store(fault.iova);
    stream.store(fault.requester);
    count.fetch_add(1);
  }
  base::Atomic<std::uint32_t> count{0};
  base::Atomic<iommu::FaultKind> kind{};
  base::Atomic<std::uint64_t> at{0};
  base::Atomic<std::uint32_t> stream{0};
};

class MachineTest : public testing::Test {
protected:
  Endpoint& endpoint(std::size_t i = 0) { return machine.smmu().endpoint(i); }
  iommu::Domain& paging(iommu::Stage stage) {
    auto domain = machine.smmu().driver().make_paging({.stage = stage});
    EXPECT_TRUE(domain);
    (*domain)->set_fault_handler(&faults);
    return **domain;
  }
  platform::DmaBlock page() { return *machine.clients().alloc(4096); }
  bool event_comes() {
    return platform::wait_until(machine.port().time, 2'000'000, [&] { return faults.count.load() != 0; });
  }

  Faults faults;
  Machine machine{one_smmu()};
};

TEST(MachineTranslations, AnInvalidationReachesTheEndpointThatItNames) {
  auto config = one_smmu();
  config.smmus[0].features.ats = true;
  config.smmus[0].engine.ats.capabilities = {.ats = true};
  Machine machine{config};
  const auto generation = [&](std::size_t i) { return machine.smmu().endpoint(i).engine.ats()->atc().generation(); };
  const auto first = generation(0);
  const auto second = generation(1);
  const std::array commands{arch::cmd::atc_inv(0x10, 0, 52), arch::cmd::sync()};
  EXPECT_TRUE(machine.smmu().driver().submit(commands));
  EXPECT_TRUE(platform::wait_until(machine.port().time, 2'000'000, [&] { return generation(1) != second; }));
  EXPECT_EQ(generation(0), first);
}

TEST(MachineTranslations, TheWayToAnSMMUWithoutATSLetsNoneThrough) {
  for (const bool ats : {false, true}) {
    auto config = one_smmu();
    config.smmus[0].features.ats = ats;
    config.smmus[0].engine.ats.capabilities = {.ats = true};
    Machine machine{config};
    EXPECT_EQ(platform::PciTranslation{machine.smmu().endpoint(0).function}.has_ats(), ats);
  }
}

TEST(MachineMessages, TheMessageOfASyncArrivesInMemory) {
  auto config = one_smmu();
  config.smmus[0].features.msi = true;
  Machine machine{config};
  const auto page = *machine.clients().alloc(4096);
  const auto sync = arch::cmd::sync_msi(page.bus + 8, 0x1234'5678);
  EXPECT_TRUE(machine.smmu().driver().submit({&sync, 1}));
  std::uint64_t word = 0;
  copy_out(static_cast<std::byte*>(page.cpu) + 8, &word, sizeof word);
  EXPECT_EQ(word, 0x1234'5678u);
  EXPECT_EQ(machine.smmu().model().counters().messages, 1u);
  machine.clients().free(page);
}

TEST_F(MachineTest, AnEndpointReachesWhatItsStage1DomainMaps) {
  auto block = page();
  auto& domain = paging(iommu::Stage::first);
  ASSERT_TRUE(domain.map(iova, block.bus, 4096, iommu::prot::read_write));
  ASSERT_TRUE(endpoint().device->attach(domain));
  {
    model::Port port{machine.smmu().model()};
    const std::uint64_t word = 0x1122334455667788;
    EXPECT_TRUE(endpoint().engine.write(port, iova + 0x20, &word, sizeof word).complete());
    EXPECT_EQ(block.as<std::uint64_t>()[4], word);
    std::uint64_t back = 0;
    EXPECT_TRUE(endpoint().engine.read(port, iova + 0x20, &back, sizeof back).complete());
    EXPECT_EQ(back, word);
  }
  EXPECT_TRUE(endpoint().device->detach());
  EXPECT_TRUE(domain.destroy());
  machine.clients().free(block);
  const Remains remains = machine.tear_down();
  EXPECT_TRUE(remains.nothing());
  EXPECT_TRUE(remains.queues_idle);
}

TEST_F(MachineTest, AnEndpointReachesWhatItsStage2DomainMaps) {
  auto block = page();
  auto& domain = paging(iommu::Stage::second);
  ASSERT_TRUE(domain.map(iova, block.bus, 4096, iommu::prot::read_write));
  ASSERT_TRUE(endpoint().device->attach(domain));
  model::Port port{machine.smmu().model()};
  const std::uint64_t word = 77;
  EXPECT_TRUE(endpoint().engine.write(port, iova, &word, sizeof word).complete());
  EXPECT_EQ(block.as<std::uint64_t>()[0], word);
  EXPECT_TRUE(endpoint().device->detach());
  EXPECT_TRUE(domain.destroy());
  machine.clients().free(block);
}

TEST_F(MachineTest, IdentityPassesAddressesUnchanged) {
  auto block = page();
  ASSERT_TRUE(endpoint().device->attach(machine.smmu().driver().identity()));
  model::Port port{machine.smmu().model()};
  const std::uint64_t word = 78;
  EXPECT_TRUE(endpoint().engine.write(port, block.bus, &word, sizeof word).complete());
  EXPECT_EQ(block.as<std::uint64_t>()[0], word);
  machine.clients().free(block);
}

TEST_F(MachineTest, AReadOfUnmappedMemoryAbortsAndItsEventReachesTheDomain) {
  auto& domain = paging(iommu::Stage::first);
  ASSERT_TRUE(endpoint().device->attach(domain));
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  const auto report = endpoint().engine.read(port, iova + 8, &word, sizeof word);
  ASSERT_TRUE(report.abort);
  EXPECT_EQ(report.abort->outcome.event, arch::EventType::F_TRANSLATION);
  ASSERT_TRUE(event_comes());
  EXPECT_EQ(faults.kind.load(), iommu::FaultKind::translation);
  EXPECT_EQ(faults.at.load(), iova + 8);
  EXPECT_EQ(faults.stream.load(), 0x8u);
  EXPECT_TRUE(endpoint().device->detach());
  EXPECT_TRUE(domain.destroy());
}

TEST_F(MachineTest, AnEndpointWithoutDomainIsRefused) {
  auto block = page();
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  EXPECT_TRUE(endpoint(1).engine.read(port, block.bus, &word, sizeof word).abort);
  machine.clients().free(block);
}

TEST_F(MachineTest, NoEndpointReachesTheDriversMemory) {
  ASSERT_TRUE(endpoint().device->attach(machine.smmu().driver().identity()));
  const auto table = machine.port().memory.dma_alloc(4096, 4096);
  ASSERT_TRUE(table);
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  const auto report = endpoint().engine.read(port, table->bus, &word, sizeof word);
  ASSERT_TRUE(report.abort);
  EXPECT_TRUE(report.abort->outcome.by_bus);
  EXPECT_EQ(machine.smmu().strays(), 1u);
  machine.port().memory.dma_free(*table);
}

TEST_F(MachineTest, NoEndpointReachesMemoryThatWasGivenBack) {
  ASSERT_TRUE(endpoint().device->attach(machine.smmu().driver().identity()));
  auto block = page();
  machine.clients().free(block);
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  EXPECT_TRUE(endpoint().engine.read(port, block.bus, &word, sizeof word).abort);
  EXPECT_EQ(machine.smmu().strays(), 1u);
}

TEST_F(MachineTest, WhatLiesBeyondRamAborts) {
  ASSERT_TRUE(endpoint().device->attach(machine.smmu().driver().identity()));
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  const auto report = endpoint().engine.read(port, 0x1000, &word, sizeof word);
  ASSERT_TRUE(report.abort);
  EXPECT_TRUE(report.abort->outcome.by_bus);
  EXPECT_EQ(machine.smmu().strays(), 0u);
}

TEST_F(MachineTest, ATableThatCannotBeReadIsF_WALK_EABT) {
  auto block = page();
  auto& domain = paging(iommu::Stage::first);
  ASSERT_TRUE(domain.map(iova, block.bus, 4096, iommu::prot::read));
  ASSERT_TRUE(endpoint().device->attach(domain));
  auto& arena = machine.port().arena;
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  ASSERT_TRUE(endpoint().engine.read(port, iova, &word, sizeof word).complete()); // the configuration is cached
  ASSERT_TRUE(domain.unmap(iova, 4096));
  ASSERT_TRUE(domain.map(iova, block.bus, 4096, iommu::prot::read));
  machine.smmu().bus().plant(arena.bus_base(), arena.size(), Whose::smmu);
  const auto report = endpoint().engine.read(port, iova, &word, sizeof word);
  machine.smmu().bus().plant(0, 0, Whose::smmu);
  ASSERT_TRUE(report.abort);
  EXPECT_EQ(report.abort->outcome.event, arch::EventType::F_WALK_EABT);
  EXPECT_NE(machine.smmu().bus().aborted(), 0u);
  EXPECT_TRUE(endpoint().device->detach());
  EXPECT_TRUE(domain.destroy());
  machine.clients().free(block);
}

TEST_F(MachineTest, ClientMemoryThatIsNotFreedShows) {
  const auto block = page();
  EXPECT_EQ(machine.tear_down().client_bytes, block.size);
}

TEST_F(MachineTest, DriverMemoryThatIsNotFreedShows) {
  const auto room = machine.port().memory.alloc(100);
  ASSERT_TRUE(room);
  const Remains remains = machine.tear_down();
  EXPECT_EQ(remains.driver_blocks, 1u);
  EXPECT_FALSE(remains.nothing());
  machine.port().memory.free(*room, 100);
}

TEST(Machine, AnSmmuWithoutAnyStageIsRefusedByName) {
  auto config = one_smmu();
  config.smmus[0].features.stage1 = config.smmus[0].features.stage2 = false;
  EXPECT_THAT([&] { Machine{config}; }, ThrowsMessage<hosted::SetupError>(HasSubstr("no_stage")));
}

TEST(Machine, AStreamIDBeyondTheTableIsRefused) {
  EXPECT_THAT([] { Machine{one_smmu({1u << 12})}; },
              ThrowsMessage<hosted::SetupError>(HasSubstr("StreamID 4096 (too_large)")));
}

TEST(Machine, TwoEndpointsWithOneStreamIDAreRefused) {
  EXPECT_THAT([] { Machine{one_smmu({5, 5})}; }, ThrowsMessage<hosted::SetupError>(HasSubstr("shares_stream")));
}

TEST(Machine, TooLittleMemoryIsRefused) {
  auto config = one_smmu();
  config.port.arena.size = 8192;
  EXPECT_THAT([&] { Machine{config}; }, ThrowsMessage<hosted::SetupError>(HasSubstr("no_memory")));
}

TEST(Machine, ADomainOfOneSmmuIsRefusedToDevicesOfAnother) {
  auto config = one_smmu();
  config.smmus.push_back(config.smmus[0]);
  Machine machine{config};
  ASSERT_EQ(machine.smmus(), 2u);
  EXPECT_EQ(machine.smmu(1).endpoint(0).device->attach(machine.smmu(0).driver().identity()), base::Errc::other_smmu);
}

TEST(Machine, TwoSmmusTranslateApart) {
  auto config = one_smmu();
  config.smmus.push_back(config.smmus[0]);
  Machine machine{config};
  auto block = *machine.clients().alloc(4096);
  ASSERT_TRUE(machine.smmu(0).endpoint(0).device->attach(machine.smmu(0).driver().identity()));
  model::Port first{machine.smmu(0).model()};
  model::Port second{machine.smmu(1).model()};
  std::uint64_t word = 0;
  EXPECT_TRUE(machine.smmu(0).endpoint(0).engine.read(first, block.bus, &word, 8).complete());
  EXPECT_TRUE(machine.smmu(1).endpoint(0).engine.read(second, block.bus, &word, 8).abort);
  machine.clients().free(block);
}

TEST(Copy, MovesEveryByteWhateverTheAlignment) {
  for (std::size_t offset = 0; offset < 9; ++offset) {
    for (std::size_t size = 0; size < 20; ++size) {
      alignas(8) std::array<std::uint8_t, 32> ram{};
      std::array<std::uint8_t, 20> data{};
      for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<std::uint8_t>(i + 1);
      }
      copy_in(ram.data() + offset, data.data(), size);
      std::array<std::uint8_t, 20> back{};
      copy_out(ram.data() + offset, back.data(), size);
      EXPECT_TRUE(std::equal(back.begin(), back.begin() + static_cast<std::ptrdiff_t>(size), data.begin()));
      EXPECT_EQ(ram[offset + size], 0);
    }
  }
}

} // namespace
} // namespace sluice::machine

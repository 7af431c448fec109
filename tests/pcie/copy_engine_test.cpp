#include <sluice/hosted/free.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>
#include <sluice/pcie/copy_engine.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <vector>

namespace sluice::pcie {
namespace {

constexpr std::uint64_t ram = 0x10000;

// RAM from 64 KB on and nothing else, behind an SMMU that is off and passes everything.
class SmallBus final : public model::Bus {
public:
  bool read(const model::BusAccess& access, void* into) override {
    if (!inside(access)) {
      return false;
    }
    longest = std::max(longest, access.size);
    std::memcpy(into, bytes.data() + (access.address - ram), access.size);
    return true;
  }
  bool write(const model::BusAccess& access, const void* from) override {
    if (!inside(access)) {
      return false;
    }
    std::memcpy(bytes.data() + (access.address - ram), from, access.size);
    return true;
  }
  bool read64(std::uint64_t, const model::Attributes&, std::uint64_t&) override { return false; }
  bool compare_exchange64(std::uint64_t, const model::Attributes&, std::uint64_t&, std::uint64_t) override {
    return false;
  }
  bool message(const model::BusAccess&, std::uint32_t) override { return false; }
  void pulse(model::Wire) override {}

  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(0x8000);
  std::uint32_t longest{0};
  unsigned accesses{0};

private:
  bool inside(const model::BusAccess& access) {
    ++accesses;
    return access.address >= ram && access.address - ram + access.size <= bytes.size();
  }
};

class CopyEngineTest : public testing::Test {
protected:
  CopyEngineTest() {
    std::iota(bus.bytes.begin(), bus.bytes.end(), std::uint8_t{0});
    smmu->write(0x44, 4, 1u << 31); // GBPA: bypass
    engine.config_write(config::command, 2, config::command_bus_master);
  }

  SmallBus bus;
  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  hosted::Time time{schedule};
  std::unique_ptr<model::Smmu> smmu = std::move(*model::Smmu::make({}, {}, bus, sync, time));
  model::Port port{*smmu};
  CopyEngine engine{{0x0100, 0x100}};
};

TEST_F(CopyEngineTest, CopiesEveryByteAcrossPages) {
  const auto before = bus.bytes;
  const auto report = engine.copy(port, {ram + 0x123, ram + 0x4567, 0x2001});
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.moved, 0x2001u);
  EXPECT_EQ(std::memcmp(bus.bytes.data() + 0x4567, before.data() + 0x123, 0x2001), 0);
  EXPECT_EQ(bus.bytes[0x4566], before[0x4566]);
  EXPECT_EQ(bus.bytes[0x4567 + 0x2001], before[0x4567 + 0x2001]);
}

TEST_F(CopyEngineTest, NoAccessCrossesAPage) {
  static_cast<void>(engine.copy(port, {ram + 0x800, ram + 0x5000, 0x2000}));
  EXPECT_LE(bus.longest, 4096u);
  EXPECT_TRUE(engine.copy(port, {ram + 0xff8, ram + 0x4ffc, 0x10}).complete());
}

TEST_F(CopyEngineTest, AnAbortedReadEndsTheJobWhereItHappened) {
  const auto report = engine.copy(port, {ram + 0x7000, ram, 0x2000});
  ASSERT_TRUE(report.abort);
  EXPECT_EQ(report.moved, 0x1000u);
  EXPECT_EQ(report.abort->iova, ram + 0x8000);
  EXPECT_FALSE(report.abort->write);
  EXPECT_TRUE(report.abort->outcome.by_bus);
}

TEST_F(CopyEngineTest, AnAbortedWriteEndsTheJobWhereItHappened) {
  const auto report = engine.copy(port, {ram, ram + 0x7800, 0x2000});
  ASSERT_TRUE(report.abort);
  EXPECT_EQ(report.moved, 0x800u);
  EXPECT_EQ(report.abort->iova, ram + 0x8000);
  EXPECT_TRUE(report.abort->write);
}

TEST_F(CopyEngineTest, AnAbortedAccessIsNotTriedAgain) {
  std::uint64_t word = 0;
  const auto report = engine.read(port, 0x1000, &word, sizeof word);
  EXPECT_TRUE(report.abort);
  EXPECT_EQ(bus.accesses, 1u);
}

TEST_F(CopyEngineTest, SingleReadsAndWritesMoveTheirBytes) {
  const std::uint64_t word = 0x1122334455667788;
  EXPECT_TRUE(engine.write(port, ram + 0x10, &word, sizeof word).complete());
  std::uint64_t back = 0;
  EXPECT_TRUE(engine.read(port, ram + 0x10, &back, sizeof back).complete());
  EXPECT_EQ(back, word);
}

TEST_F(CopyEngineTest, WithoutBusMasterEnableNothingIsIssued) {
  engine.config_write(config::command, 2, 0);
  std::uint64_t word = 0;
  EXPECT_TRUE(engine.copy(port, {ram, ram + 0x1000, 8}).not_master);
  EXPECT_TRUE(engine.read(port, ram, &word, 8).not_master);
  EXPECT_TRUE(engine.write(port, ram, &word, 8).not_master);
  EXPECT_EQ(bus.accesses, 0u);
}

} // namespace
} // namespace sluice::pcie

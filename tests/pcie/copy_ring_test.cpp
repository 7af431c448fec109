#include "../model/ats.hpp"

#include <sluice/pcie/copy_device.hpp>

#include <vector>

namespace sluice::pcie {
namespace {

using model::test::s1_rw;
using State = CopyDevice::State;

TEST(BarMemory, IsReadAndWrittenByPartsOfAWord) {
  std::vector<BarMemory::Word> words(4096 / 8);
  BarMemory memory{words};
  memory.write(8, 8, 0x1122'3344'5566'7788);
  memory.write(12, 2, 0xabcd);
  memory.write(8, 1, 0xef);
  EXPECT_EQ(memory.read(8, 8), 0x1122'abcd'5566'77efu);
  EXPECT_EQ(memory.read(12, 4), 0x1122'abcdu);
  EXPECT_EQ(memory.read(9, 1), 0x77u);
  EXPECT_EQ(memory.read(16, 8), 0u);
  EXPECT_EQ(memory.size(), 4096u);
  EXPECT_EQ(memory.bytes()[13], std::byte{0xab}) << "little endian";
}

TEST(BarMemory, WhatLiesAcrossWordsGoesByteByByte) {
  std::vector<BarMemory::Word> words(4096 / 8);
  BarMemory memory{words};
  memory.write(5, 8, 0x1122'3344'5566'7788);
  EXPECT_EQ(memory.read(5, 8), 0x1122'3344'5566'7788u);
  EXPECT_EQ(memory.read(0, 8), 0x6677'8800'0000'0000u);
  EXPECT_EQ(memory.read(7, 2), 0x5566u);
}

// A copy engine whose driver fills its ring, behind an SMMU with tables written by hand.
class CopyRingTest : public testing::Test, private Worker {
protected:
  static constexpr std::uint32_t device_sid = 3;
  static constexpr std::uint64_t from = 0x40'0000, to = 0x50'0000;
  static constexpr std::uint64_t from_pa = 0x60'0000, to_pa = 0x70'0000;
  static constexpr std::uint32_t all = CopyRing::entries;

  CopyRingTest() {
    tree = rig.ats_stream(device_sid);
    rig.map(tree, from, from_pa, s1_rw);
    rig.map(tree, to, to_pa, s1_rw);
    rig.ram.put(from_pa, 0x1122'3344'5566'7788);
    device.set_worker(this);
    device.config_write(config::command, 2, config::command_memory_space | config::command_bus_master);
  }
  std::uint32_t get(std::uint64_t at) { return static_cast<std::uint32_t>(memory.read(at, 4)); }
  static std::uint64_t entry(std::uint32_t n) { return CopyRing::entries_at + n % all * CopyRing::entry_bytes; }
  void fill(std::uint32_t n, std::uint64_t source, std::uint64_t destination, std::uint32_t size = 8,
            std::uint32_t how = 0) {
    memory.write(entry(n) + CopyRing::source_at, 8, source);
    memory.write(entry(n) + CopyRing::destination_at, 8, destination);
    memory.write(entry(n) + CopyRing::size_at, 8, std::uint64_t{how} << 32 | size);
  }
  void publish(std::uint32_t filled) { memory.write(CopyRing::filled_at, 4, filled); }
  void run() {
    while (device.run(*rig.port)) {
    }
  }
  State state(std::uint32_t n) { return static_cast<State>(get(entry(n) + CopyRing::state_at)); }
  std::uint32_t done() { return get(CopyRing::done_at); }

  model::test::AtsRig rig;
  std::vector<BarMemory::Word> words = std::vector<BarMemory::Word>(CopyRing::bytes / 8);
  BarMemory memory{words};
  CopyDevice device{
      {device_sid, device_sid}, AtsConfig{.capabilities = {.ats = true, .pasid_bits = 8}}, rig.sync, rig.time, memory};
  model::test::Tree tree;
  unsigned calls{};

private:
  void on_work() override { ++calls; }
};

TEST_F(CopyRingTest, JobsAreDoneInTheirOrderAndTold) {
  fill(0, from, to);
  fill(1, to, to + 8);
  publish(2);
  run();
  EXPECT_EQ(done(), 2u);
  EXPECT_EQ(rig.ram.get(to_pa + 8), 0x1122'3344'5566'7788u);
  for (const std::uint32_t n : {0u, 1u}) {
    EXPECT_EQ(state(n), State::done);
    EXPECT_EQ(get(entry(n) + CopyRing::moved_at), 8u);
  }
}

TEST_F(CopyRingTest, WhatIsNotPublishedIsNotDone) {
  fill(0, from, to);
  run();
  EXPECT_EQ(done(), 0u);
  EXPECT_EQ(rig.ram.get(to_pa), 0u);
}

TEST_F(CopyRingTest, GoesRoundAndItsCountsGoOn) {
  for (std::uint32_t n = 0; n < 3 * all; ++n) {
    fill(n, from, to + n % 16 * 8);
    if (n % 100 == 99 || n + 1 == 3 * all) {
      publish(n + 1);
      run();
      ASSERT_EQ(done(), n + 1);
    }
  }
  EXPECT_EQ(device.counters().jobs, 3u * all);
  EXPECT_EQ(device.counters().bytes, 3u * all * 8);
}

TEST_F(CopyRingTest, AFewAtATimeSoThatAResetDoesNotWaitForAll) {
  for (std::uint32_t n = 0; n < all; ++n) {
    fill(n, from, to);
  }
  publish(all);
  EXPECT_TRUE(device.run(*rig.port));
  EXPECT_LT(done(), 32u);
  EXPECT_NE(done(), 0u);
  run();
  EXPECT_EQ(done(), all);
}

TEST_F(CopyRingTest, MoreThanThereAreEntriesIsAFaultUntilTheReset) {
  publish(all + 1);
  run();
  EXPECT_EQ(get(CopyRing::fault_at), 1u);
  publish(1);
  fill(0, from, to);
  run();
  EXPECT_EQ(done(), 0u);
  device.reset();
  EXPECT_EQ(get(CopyRing::fault_at), 0u);
  EXPECT_EQ(get(CopyRing::filled_at), 0u);
  fill(0, from, to);
  publish(1);
  run();
  EXPECT_EQ(done(), 1u);
}

TEST_F(CopyRingTest, TheEnginesCountIsItsOwn) {
  fill(0, from, to);
  publish(1);
  run();
  memory.write(CopyRing::done_at, 4, 77);
  fill(1, from, to + 8);
  publish(2);
  run();
  EXPECT_EQ(done(), 2u);
  EXPECT_EQ(state(1), State::done);
}

TEST_F(CopyRingTest, ASizeThatCannotBeIsToldAndTheNextIsDone) {
  fill(0, from, to, 0);
  fill(1, from, to, CopyDevice::longest + 1);
  fill(2, from, to);
  publish(3);
  run();
  EXPECT_EQ(state(0), State::bad_size);
  EXPECT_EQ(state(1), State::bad_size);
  EXPECT_EQ(state(2), State::done);
}

TEST_F(CopyRingTest, AnAbortIsToldAndTheNextIsDone) {
  fill(0, from, 0xdead'0000);
  fill(1, 0xdead'0000, to);
  fill(2, from, to);
  publish(3);
  run();
  EXPECT_EQ(state(0), State::write_aborted);
  EXPECT_EQ(state(1), State::read_aborted);
  EXPECT_EQ(state(2), State::done);
  EXPECT_EQ(device.counters().aborted, 2u);
}

TEST_F(CopyRingTest, APasidThatIsNotEnabledAndAFunctionThatIsNoMasterAreTold) {
  fill(0, from, to, 8, CopyRing::with_pasid | 5);
  publish(1);
  run();
  EXPECT_EQ(state(0), State::no_pasid);
  device.config_write(config::command, 2, config::command_memory_space);
  fill(1, from, to);
  publish(2);
  run();
  EXPECT_EQ(state(1), State::no_master);
  EXPECT_EQ(rig.ram.get(to_pa), 0u);
}

TEST_F(CopyRingTest, AWriteThroughTheBusTellsWhoWorks) {
  device.region_write(CopyDevice::ring_bar, entry(0) + CopyRing::source_at, 8, from);
  EXPECT_EQ(calls, 1u);
  EXPECT_EQ(device.region_read(CopyDevice::ring_bar, entry(0) + CopyRing::source_at, 8), from);
  EXPECT_EQ(memory.read(entry(0) + CopyRing::source_at, 8), from);
}

TEST_F(CopyRingTest, WhoMapsItHasToBeLookedAfter) {
  EXPECT_EQ(device.bar_memory(CopyDevice::ring_bar), &memory);
  EXPECT_EQ(device.bar_memory(0), nullptr);
  EXPECT_FALSE(device.unobserved());
  device.map_bar(CopyDevice::ring_bar);
  EXPECT_EQ(calls, 1u) << "to begin looking";
  device.map_bar(CopyDevice::ring_bar);
  device.unmap_bar(CopyDevice::ring_bar);
  EXPECT_TRUE(device.unobserved());
  EXPECT_EQ(calls, 1u);
  device.unmap_bar(CopyDevice::ring_bar);
  EXPECT_FALSE(device.unobserved());
  EXPECT_EQ(calls, 2u) << "to look once more";
}

TEST_F(CopyRingTest, RegistersWorkBesideIt) {
  fill(0, from, to);
  publish(1);
  device.region_write(0, CopyDevice::source_at, 8, from);
  device.region_write(0, CopyDevice::destination_at, 8, to + 8);
  device.region_write(0, CopyDevice::size_at, 8, 1ULL << 32 | 8);
  run();
  EXPECT_EQ(done(), 1u);
  EXPECT_EQ(static_cast<State>(device.region_read(0, CopyDevice::status_at, 4)), State::done);
  EXPECT_EQ(rig.ram.get(to_pa + 8), 0x1122'3344'5566'7788u);
}

} // namespace
} // namespace sluice::pcie

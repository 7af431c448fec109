#include <sluice/arch/commands.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/hosted/port.hpp>
#include <sluice/machine/bus.hpp>
#include <sluice/machine/mmio.hpp>
#include <sluice/machine/shared_frame.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace sluice::machine {
namespace {

using arch::CMDQ_BASE;
using arch::CMDQ_CONS;
using arch::CMDQ_PROD;
using arch::CR0;
using arch::CR0ACK;
using arch::GBPA;
using base::Atomic;
using base::Order;
using testing::ElementsAre;
using testing::IsEmpty;

// The memory of a frame, as software uses it.
class FrameMemory {
public:
  std::uint32_t get32(std::uint32_t offset) const { return word<std::uint32_t>(offset).load(Order::acquire); }
  std::uint64_t get64(std::uint32_t offset) const { return word<std::uint64_t>(offset).load(Order::acquire); }
  void put32(std::uint32_t offset, std::uint32_t value) { word<std::uint32_t>(offset).store(value, Order::release); }
  void put64(std::uint32_t offset, std::uint64_t value) { word<std::uint64_t>(offset).store(value, Order::release); }
  void* at() { return memory_->bytes; }

private:
  struct Memory {
    alignas(8) std::byte bytes[SharedFrame::bytes]{};
  };
  template <class T>
  Atomic<T>& word(std::uint32_t offset) const {
    return *reinterpret_cast<Atomic<T>*>(memory_->bytes + offset);
  }
  std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
};

// Registers that keep what is written, and remember in which order it was.
class KeptRegisters final : public platform::Mmio {
public:
  std::uint32_t read32(std::uint32_t offset) override { return static_cast<std::uint32_t>(values[offset]); }
  std::uint64_t read64(std::uint32_t offset) override { return values[offset]; }
  void write32(std::uint32_t offset, std::uint32_t value) override { write(offset, value); }
  void write64(std::uint32_t offset, std::uint64_t value) override { write(offset, value); }

  std::map<std::uint32_t, std::uint64_t> values;
  std::vector<std::uint32_t> written;
  std::function<void()> on_write = [] {};

private:
  void write(std::uint32_t offset, std::uint64_t value) {
    values[offset] = value;
    written.push_back(offset);
    on_write();
  }
};

class SharedFrameTest : public testing::Test {
protected:
  KeptRegisters registers;
  FrameMemory memory;
};

TEST_F(SharedFrameTest, MemoryShowsTheRegistersFromTheStart) {
  registers.values = {{arch::IDR0::offset, 0x1234}, {arch::EVENTQ_BASE::offset, 0x1'2345'6789'abcd}};
  memory.put32(arch::IDR1::offset, 77);
  SharedFrame frame{registers, memory.at()};
  EXPECT_EQ(memory.get32(arch::IDR0::offset), 0x1234u);
  EXPECT_EQ(memory.get64(arch::EVENTQ_BASE::offset), 0x1'2345'6789'abcdu);
  EXPECT_EQ(memory.get32(arch::IDR1::offset), 0u) << "left behind by whoever had the memory before";
  EXPECT_THAT(registers.written, IsEmpty());
}

TEST_F(SharedFrameTest, WhatSoftwareWritesReachesTheRegisterOnce) {
  SharedFrame frame{registers, memory.at()};
  EXPECT_FALSE(frame.poll());
  memory.put64(arch::STRTAB_BASE::offset, 0x4000'0000'8123'4000);
  EXPECT_TRUE(frame.poll());
  EXPECT_FALSE(frame.poll());
  EXPECT_THAT(registers.written, ElementsAre(arch::STRTAB_BASE::offset));
  EXPECT_EQ(registers.values[arch::STRTAB_BASE::offset], 0x4000'0000'8123'4000u);
}

TEST_F(SharedFrameTest, WhatAQueueNeedsIsWrittenBeforeTheBitThatEnablesIt) {
  SharedFrame frame{registers, memory.at()};
  memory.put64(CMDQ_BASE::offset, 0x8000'0000);
  memory.put32(CMDQ_CONS::offset, 1);
  memory.put32(CMDQ_PROD::offset, 1);
  memory.put32(CR0::offset, 8);
  frame.poll();
  EXPECT_THAT(registers.written, ElementsAre(CMDQ_CONS::offset, CMDQ_BASE::offset, CMDQ_PROD::offset, CR0::offset));
}

TEST_F(SharedFrameTest, AMessageIsSetUpBeforeItsInterruptIsEnabled) {
  SharedFrame frame{registers, memory.at()};
  memory.put64(arch::EVENTQ_IRQ_CFG0::offset, 0x0809'0040);
  memory.put32(arch::EVENTQ_IRQ_CFG1::offset, 1);
  memory.put32(arch::IRQ_CTRL::offset, 4);
  frame.poll();
  EXPECT_EQ(registers.written.back(), arch::IRQ_CTRL::offset);
}

TEST_F(SharedFrameTest, AWriteBetweenTwoLooksIsNotLost) {
  SharedFrame frame{registers, memory.at()};
  registers.on_write = [&] { memory.put32(CMDQ_PROD::offset, 2); }; // while 1 is being taken
  memory.put32(CMDQ_PROD::offset, 1);
  frame.poll();
  EXPECT_EQ(registers.values[CMDQ_PROD::offset], 1u);
  EXPECT_EQ(memory.get32(CMDQ_PROD::offset), 2u) << "not overwritten by what the register reads";
  frame.poll();
  EXPECT_EQ(registers.values[CMDQ_PROD::offset], 2u);
}

TEST_F(SharedFrameTest, AReadOnlyRegisterIsShownAgainAndNotWritten) {
  registers.values[arch::IDR0::offset] = 0x1234;
  SharedFrame frame{registers, memory.at()};
  memory.put32(arch::IDR0::offset, 0);
  EXPECT_TRUE(frame.poll());
  EXPECT_EQ(memory.get32(arch::IDR0::offset), 0x1234u);
  EXPECT_THAT(registers.written, IsEmpty());
  EXPECT_EQ(frame.stray_writes(), 1u);
}

TEST_F(SharedFrameTest, WhatTheSmmuChangesIsShown) {
  SharedFrame frame{registers, memory.at()};
  registers.values[arch::EVENTQ_PROD::offset] = 5;
  EXPECT_TRUE(frame.poll());
  EXPECT_EQ(memory.get32(arch::EVENTQ_PROD::offset), 5u);
  EXPECT_THAT(registers.written, IsEmpty()) << "it is the SMMU's own doing";
}

// A model behind the frame, and a command queue of 16 entries.
class SharedFrameOnModel : public testing::Test {
protected:
  static constexpr unsigned log2size = 4;
  static constexpr std::uint32_t wrap = (2u << log2size) - 1;

  void poll_until(std::uint32_t offset, std::uint32_t value) {
    for (int i = 0; i < 10 && memory.get32(offset) != value; ++i) {
      frame.poll();
    }
    EXPECT_EQ(memory.get32(offset), value);
  }
  void set_up_queue() {
    memory.put64(CMDQ_BASE::offset,
                 CMDQ_BASE{}.with(CMDQ_BASE::ADDR, queue.bus).with(CMDQ_BASE::LOG2SIZE, log2size).raw());
    memory.put32(CR0::offset, static_cast<std::uint32_t>(CR0::CMDQEN.mask));
  }
  void put(std::uint32_t at, const arch::Command& command) {
    auto* const words = queue.as<base::DmaWord>() + 2 * (at & (wrap >> 1));
    words[0].store(command.w[0], Order::relaxed);
    words[1].store(command.w[1], Order::relaxed);
  }

  hosted::Port port;
  ClientMemory clients{port.arena};
  Interleave interleave{nullptr, 0};
  FunctionRoutes routes{port.device_sync, port.time};
  Bus bus{port.arena, clients, port.irq, 0, interleave, routes};
  std::unique_ptr<model::Smmu> smmu = *model::Smmu::make({}, {}, bus, port.device_sync, port.time);
  Mmio mmio{*smmu, interleave};
  FrameMemory memory;
  SharedFrame frame{mmio, memory.at()};
  platform::DmaBlock queue = *port.arena.alloc(sizeof(arch::Command) << log2size, 4096);
};

TEST_F(SharedFrameOnModel, AHandshakeIsAnswered) {
  set_up_queue();
  poll_until(CR0ACK::offset, static_cast<std::uint32_t>(CR0ACK::CMDQEN.mask));
  memory.put32(GBPA::offset, static_cast<std::uint32_t>(GBPA::ABORT.mask | GBPA::Update.mask));
  poll_until(GBPA::offset, static_cast<std::uint32_t>(GBPA::ABORT.mask));
}

TEST_F(SharedFrameOnModel, AWriteThatTheRulesForbidIsTakenBack) {
  set_up_queue();
  poll_until(CR0ACK::offset, static_cast<std::uint32_t>(CR0ACK::CMDQEN.mask));
  const std::uint64_t base = memory.get64(CMDQ_BASE::offset);
  memory.put64(CMDQ_BASE::offset, 0); // 6.3.26: guarded by CMDQEN
  memory.put32(CR0::offset, memory.get32(CR0::offset) | 1u << 31);
  frame.poll();
  EXPECT_EQ(memory.get64(CMDQ_BASE::offset), base);
  EXPECT_EQ(memory.get32(CR0::offset), CR0::CMDQEN.mask) << "a reserved bit reads 0";
}

TEST_F(SharedFrameOnModel, CommandsAreConsumedAndAnErrorIsNamed) {
  set_up_queue();
  put(0, arch::cmd::sync());
  put(1, {});
  memory.put32(CMDQ_PROD::offset, 2);
  poll_until(arch::GERROR::offset, static_cast<std::uint32_t>(arch::GERROR::CMDQ_ERR.mask));
  const auto cons = CMDQ_CONS::from(memory.get32(CMDQ_CONS::offset));
  EXPECT_EQ(cons.get(CMDQ_CONS::RD), 1u);
  EXPECT_EQ(cons.get(CMDQ_CONS::ERR), arch::Cerror::ILL);
}

class SharedFrameThreads : public SharedFrameOnModel {
protected:
  bool comes_to(std::uint32_t offset, std::uint32_t value) {
    constexpr std::uint64_t limit_us = 20'000'000;
    return platform::wait_until(port.time, limit_us, [&] { return memory.get32(offset) == value; });
  }
};

TEST_F(SharedFrameThreads, SoftwareInAnotherThreadSeesEachSyncEnd) {
  const auto poller = port.schedule->start("poller", [this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      frame.poll();
    }
  });
  set_up_queue();
  EXPECT_TRUE(comes_to(CR0ACK::offset, static_cast<std::uint32_t>(CR0ACK::CMDQEN.mask)));
  constexpr std::uint32_t syncs = 200;
  for (std::uint32_t i = 0; i < syncs; ++i) {
    put(i, arch::cmd::sync());
    memory.put32(CMDQ_PROD::offset, (i + 1) & wrap);
    EXPECT_TRUE(comes_to(CMDQ_CONS::offset, (i + 1) & wrap)) << "sync " << i;
  }
  port.schedule->finish(poller);
  EXPECT_EQ(smmu->counters().syncs, syncs);
  EXPECT_EQ(memory.get32(arch::GERROR::offset), 0u);
}

} // namespace
} // namespace sluice::machine

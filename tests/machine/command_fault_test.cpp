#include <sluice/arch/commands.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/machine/command_fault.hpp>

#include <gtest/gtest.h>

namespace sluice::machine {
namespace {

using arch::Command;
using arch::Opcode;
namespace cmd = arch::cmd;

// A frame that only knows the size of its StreamIDs.
class Frame final : public platform::Mmio {
public:
  std::uint32_t read32(std::uint32_t offset) override { return offset == arch::IDR1::offset ? 8 : 0; }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    if (offset == arch::CMDQ_PROD::offset) {
      prod = value;
    }
  }
  std::uint64_t read64(std::uint32_t) override { return 0; }
  void write64(std::uint32_t, std::uint64_t) override {}
  std::uint32_t prod{0};
};

class CommandFaultTest : public testing::Test {
protected:
  CommandFaultTest() {
    // Four entries.
    mmio.write64(arch::CMDQ_BASE::offset,
                 arch::CMDQ_BASE{}.with(arch::CMDQ_BASE::ADDR, queue.bus).with(arch::CMDQ_BASE::LOG2SIZE, 2).raw());
  }
  void put(unsigned index, const Command& command) {
    queue.as<std::uint64_t>()[2 * index] = command.w[0];
    queue.as<std::uint64_t>()[2 * index + 1] = command.w[1];
  }
  Command at(unsigned index) {
    Command c;
    c.w = {queue.as<std::uint64_t>()[2 * index], queue.as<std::uint64_t>()[2 * index + 1]};
    return c;
  }
  Opcode opcode(unsigned index) { return at(index).get(Command::Opcode); }

  hosted::Arena arena{{.size = 1 << 20}};
  platform::DmaBlock queue = *arena.alloc(64, 64);
  Frame frame;
  SpoiledMmio mmio{frame, arena};
};

TEST_F(CommandFaultTest, NothingIsSpoiledUntilAFaultIsPlanted) {
  put(0, cmd::tlbi_nh_all(0));
  mmio.write32(arch::CMDQ_PROD::offset, 1);
  EXPECT_EQ(at(0), cmd::tlbi_nh_all(0));
  EXPECT_EQ(frame.prod, 1u);
}

TEST_F(CommandFaultTest, OnlyCommandsOfThePlantedKindAreSpoiled) {
  put(0, cmd::tlbi_nh_asid(1, 2));
  put(1, cmd::cfgi_ste(3, true));
  put(2, cmd::sync());
  mmio.plant(CommandFault::tlbi);
  mmio.write32(arch::CMDQ_PROD::offset, 3);
  EXPECT_EQ(opcode(0), Opcode::CMD_CFGI_STE);
  EXPECT_EQ(at(0).get(Command::StreamID), 255u) << "a stream that nobody has";
  EXPECT_EQ(at(1), cmd::cfgi_ste(3, true));
  EXPECT_EQ(at(2), cmd::sync());
  EXPECT_EQ(mmio.spoiled(), 1u);
}

TEST_F(CommandFaultTest, ConfigurationInvalidationsAndSyncsCanBeSpoiledToo) {
  put(0, cmd::cfgi_cd(3, 0, true));
  put(1, cmd::cfgi_all());
  mmio.plant(CommandFault::cfgi);
  mmio.write32(arch::CMDQ_PROD::offset, 2);
  EXPECT_EQ(opcode(0), Opcode::CMD_TLBI_NH_ASID);
  EXPECT_EQ(opcode(1), Opcode::CMD_TLBI_NH_ASID);
  put(2, cmd::sync());
  mmio.plant(CommandFault::sync);
  mmio.write32(arch::CMDQ_PROD::offset, 3);
  EXPECT_EQ(opcode(2), Opcode::CMD_TLBI_NH_ASID);
}

TEST_F(CommandFaultTest, InvalidationsOfATCsCanBeSpoiledAlone) {
  put(0, cmd::atc_inv(3, 0, arch::atc_inv_size_all));
  put(1, cmd::tlbi_nh_asid(1, 2));
  mmio.plant(CommandFault::atc);
  mmio.write32(arch::CMDQ_PROD::offset, 2);
  EXPECT_EQ(opcode(0), Opcode::CMD_TLBI_NH_ASID);
  EXPECT_EQ(at(1), cmd::tlbi_nh_asid(1, 2));
}

TEST_F(CommandFaultTest, AnswersToStalledTransactionsCanBeSpoiledAlone) {
  put(0, cmd::resume_retry(3, 7));
  put(1, cmd::sync());
  mmio.plant(CommandFault::resume);
  mmio.write32(arch::CMDQ_PROD::offset, 2);
  EXPECT_EQ(opcode(0), Opcode::CMD_TLBI_NH_ASID);
  EXPECT_EQ(at(1), cmd::sync());
}

TEST_F(CommandFaultTest, CommandsAroundTheEndOfTheQueueAreFound) {
  mmio.write32(arch::CMDQ_PROD::offset, 3);
  put(3, cmd::sync());
  put(0, cmd::sync());
  mmio.plant(CommandFault::sync);
  mmio.write32(arch::CMDQ_PROD::offset, 5); // index 1 with the wrap bit
  EXPECT_EQ(mmio.spoiled(), 2u);
  EXPECT_EQ(frame.prod, 5u);
}

TEST_F(CommandFaultTest, CommandsBeforeTheOldPositionStay) {
  put(0, cmd::sync());
  mmio.write32(arch::CMDQ_PROD::offset, 1);
  mmio.plant(CommandFault::sync);
  mmio.write32(arch::CMDQ_PROD::offset, 2);
  EXPECT_EQ(at(0), cmd::sync());
}

} // namespace
} // namespace sluice::machine

#include "machine.hpp"

#include <thread>

// Commands of which none is executed after one that the SMMU refuses.
namespace sluice::test {
namespace {

using arch::Cerror;
using arch::Command;
using arch::Opcode;
namespace cmd = arch::cmd;

constexpr std::uint32_t good = 0x100;
constexpr std::uint32_t bad = 0x200;

struct CommandChain : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(queue.make(3));
    queue.program();
    registers.write(arch::CR0{}.with(arch::CR0::CMDQEN, 1));
    fake.judge = [](const Command& c) {
      const bool refused = c.get(Command::Opcode) == Opcode::CMD_CFGI_STE && (c.get(Command::StreamID) & bad) != 0;
      return refused ? Cerror::ILL : Cerror::NONE;
    };
  }
  std::size_t executed() { return fake.count(Opcode::CMD_CFGI_STE); }

  hosted::Port port;
  FakeSmmu fake{port.arena};
  driver::Registers registers{fake};
  driver::Health health{port.log};
  driver::GlobalErrors errors{registers, port.sync};
  driver::CommandQueue queue{port.platform(), registers, errors, health, 60'000'000};
};

TEST_F(CommandChain, EndsAtTheFirstThatIsRefused) {
  for (std::uint32_t length = 1; length <= 20; ++length) { // beyond 7 in more than one part
    for (std::uint32_t at = 0; at <= length; ++at) {
      std::vector<Command> commands;
      for (std::uint32_t i = 0; i < length; ++i) {
        commands.push_back(cmd::cfgi_ste(i == at ? bad : good, true));
      }
      fake.forget();
      std::size_t done = 99;
      const auto status = queue.submit_until_illegal(commands, done);
      EXPECT_EQ(status.ok(), at == length);
      EXPECT_EQ(done, at);
      EXPECT_EQ(executed(), at);
    }
  }
}

TEST_F(CommandChain, OfNothingIsNothing) {
  std::size_t done = 99;
  EXPECT_TRUE(queue.submit_until_illegal({}, done));
  EXPECT_EQ(done, 0U);
  EXPECT_TRUE(fake.commands().empty());
}

TEST_F(CommandChain, LeavesNoTraceForTheNextRoundOfTheQueue) {
  std::vector<Command> chain(6, cmd::cfgi_ste(good, true));
  std::size_t done = 0;
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(queue.submit_until_illegal(chain, done));
    const std::array<Command, 3> plain{cmd::cfgi_ste(bad, true), cmd::cfgi_ste(good, true), cmd::cfgi_ste(good, true)};
    fake.forget();
    EXPECT_EQ(queue.submit(plain), Errc::illegal_command);
    EXPECT_EQ(executed(), 2U) << "the others are executed";
  }
}

using CommandChainThreads = CommandChain;

// Whoever is in charge of the queue, and whose batches are next to it.
TEST_F(CommandChainThreads, ReportExactlyWhatWasExecutedAmongOthers) {
  // Fewer failures than the queue remembers for one that waits meanwhile.
  constexpr std::uint32_t submitters = 3, batches = 120, length = 4;
  static_assert(submitters * batches * 4 / 6 < driver::CommandFailures::remembered);
  std::array<std::array<std::vector<std::uint32_t>, batches>, submitters> seen;
  fake.on_command = [&](const Command& c) {
    const auto sid = static_cast<std::uint32_t>(c.get(Command::StreamID));
    if (c.get(Command::Opcode) == Opcode::CMD_CFGI_STE && sid >> 28 != 0xf) {
      seen.at(sid >> 28).at(sid >> 12 & 0xffff).push_back(sid & 0xff);
    }
  };
  std::array<std::array<std::size_t, batches>, submitters> reported{};
  std::vector<std::thread> threads;
  for (std::uint32_t who = 0; who < submitters; ++who) {
    threads.emplace_back([&, who] {
      for (std::uint32_t i = 0; i < batches; ++i) {
        std::array<Command, length> batch;
        for (std::uint32_t k = 0; k < length; ++k) {
          batch[k] = cmd::cfgi_ste(who << 28 | i << 12 | k | (k == (i + who) % 6 ? bad : 0), true);
        }
        const auto status = queue.submit_until_illegal(batch, reported[who][i]);
        ASSERT_EQ(status.ok(), (i + who) % 6 >= length);
      }
    });
  }
  threads.emplace_back([&] {
    for (std::uint32_t i = 0; i < 300; ++i) {
      ASSERT_TRUE(queue.submit(cmd::cfgi_ste(0xf000'0000 | i % 0x100, true)));
    }
  });
  for (auto& t : threads) {
    t.join();
  }
  for (std::uint32_t who = 0; who < submitters; ++who) {
    for (std::uint32_t i = 0; i < batches; ++i) {
      const std::size_t refused = (i + who) % 6;
      const std::size_t expected = refused < length ? refused : length;
      ASSERT_EQ(reported[who][i], expected);
      ASSERT_EQ(seen[who][i].size(), expected);
      for (std::uint32_t k = 0; k < expected; ++k) {
        ASSERT_EQ(seen[who][i][k], k);
      }
    }
  }
}

} // namespace
} // namespace sluice::test

#include "machine.hpp"

#include <atomic>
#include <thread>

namespace sluice::test {
namespace {

using arch::Cerror;
using arch::Command;
using arch::Opcode;
using base::Order;
using driver::Code;
using driver::Wait;
namespace cmd = arch::cmd;

constexpr unsigned log2_size = 4;

struct Queue : testing::Test {
  explicit Queue(std::uint64_t timeout_us = 500'000) : queue{port.platform(), registers, errors, health, timeout_us} {}

  hosted::Port port;
  FakeSmmu fake{port.arena};
  driver::Registers registers{fake};
  driver::Health health{port.log};
  driver::GlobalErrors errors{registers, port.sync};
  driver::CommandQueue queue;

  void SetUp() override {
    ASSERT_TRUE(queue.make(log2_size));
    enable();
  }
  void enable() {
    queue.program();
    registers.write(arch::CR0{}.with(arch::CR0::CMDQEN, 1));
    fake.forget();
  }
  bool logged(Code code) {
    const auto notes = port.log.notes();
    return std::ranges::any_of(notes, [&](const auto& n) { return n.code == static_cast<std::uint16_t>(code); });
  }
  // Fails every command of this opcode, once each.
  void reject(Opcode opcode, Cerror how) {
    fake.judge = [=](const Command& c) { return c.get(Command::Opcode) == opcode ? how : Cerror::NONE; };
  }
};
using CommandQueue = Queue;

TEST_F(CommandQueue, CommandsOfOneCallAreExecutedInOrderBeforeTheirSync) {
  const std::array<Command, 3> batch{cmd::cfgi_ste(1, true), cmd::cfgi_ste(2, true), cmd::tlbi_nsnh_all()};
  ASSERT_TRUE(queue.submit(batch));
  const auto seen = fake.commands();
  ASSERT_EQ(seen.size(), 4U);
  EXPECT_TRUE(std::equal(batch.begin(), batch.end(), seen.begin()));
  EXPECT_EQ(seen[3], cmd::sync());
}

TEST_F(CommandQueue, OneCallRingsOnce) {
  const std::array<Command, 3> batch{cmd::cfgi_ste(1, true), cmd::cfgi_ste(2, true), cmd::tlbi_nsnh_all()};
  ASSERT_TRUE(queue.submit(batch));
  EXPECT_EQ(queue.doorbells(), 1U);
  EXPECT_EQ(queue.commands(), 4U);
  EXPECT_EQ(queue.syncs(), 1U);
}

TEST_F(CommandQueue, WithoutWaitingNoSyncIsSent) {
  ASSERT_TRUE(queue.submit(cmd::cfgi_all(), Wait::no));
  EXPECT_EQ(fake.count(Opcode::CMD_SYNC), 0U);
  EXPECT_EQ(fake.commands().size(), 1U);
}

TEST_F(CommandQueue, NoCommandsAndNoWaitIsNothing) {
  ASSERT_TRUE(queue.submit(std::span<const Command>{}, Wait::no));
  EXPECT_EQ(queue.doorbells(), 0U);
}

TEST_F(CommandQueue, ManyRoundsOfTheQueueKeepTheOrder) {
  for (std::uint32_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(queue.submit(cmd::cfgi_ste(i, true), i % 3 == 0 ? Wait::yes : Wait::no));
  }
  std::uint32_t next = 0;
  for (const auto& c : fake.commands()) {
    if (c.get(Command::Opcode) == Opcode::CMD_CFGI_STE) {
      ASSERT_EQ(c.get(Command::StreamID), next++);
    }
  }
  EXPECT_EQ(next, 1000U);
}

TEST_F(CommandQueue, ABatchLargerThanTheQueueIsSentInParts) {
  std::vector<Command> batch;
  for (std::uint32_t i = 0; i < 100; ++i) {
    batch.push_back(cmd::cfgi_ste(i, true));
  }
  ASSERT_TRUE(queue.submit(batch));
  EXPECT_EQ(fake.count(Opcode::CMD_CFGI_STE), 100U);
}

TEST_F(CommandQueue, AQueueOfTwoEntriesWorks) {
  driver::CommandQueue tiny{port.platform(), registers, errors, health, 50000};
  registers.write(arch::CR0{});
  ASSERT_TRUE(tiny.make(1));
  tiny.program();
  registers.write(arch::CR0{}.with(arch::CR0::CMDQEN, 1));
  const std::array<Command, 3> batch{cmd::cfgi_ste(1, true), cmd::cfgi_ste(2, true), cmd::tlbi_nsnh_all()};
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(tiny.submit(batch));
  }
}

TEST_F(CommandQueue, TheSubmitterOfAnIllegalCommandIsTold) {
  reject(Opcode::CMD_PRI_RESP, Cerror::ILL);
  const std::array<Command, 2> batch{cmd::cfgi_ste(1, true), cmd::pri_resp(1, 0, arch::PriResponse::success)};
  EXPECT_EQ(queue.submit(batch), Errc::illegal_command);
  EXPECT_TRUE(logged(Code::command_illegal));
  EXPECT_FALSE(health.failed());
  EXPECT_EQ(fake.count(Opcode::CMD_SYNC), 2U) << "the illegal command has become one";
}

TEST_F(CommandQueue, AfterAnIllegalCommandOthersSucceed) {
  reject(Opcode::CMD_PRI_RESP, Cerror::ILL);
  EXPECT_EQ(queue.submit(cmd::pri_resp(1, 0, arch::PriResponse::success)), Errc::illegal_command);
  EXPECT_TRUE(queue.submit(cmd::cfgi_all()));
  EXPECT_EQ(queue.failures(), 1U);
}

TEST_F(CommandQueue, AnotherSubmittersIllegalCommandIsNotOurs) {
  reject(Opcode::CMD_PRI_RESP, Cerror::ILL);
  ASSERT_TRUE(queue.submit(cmd::pri_resp(1, 0, arch::PriResponse::success), Wait::no)); // nobody waits for it
  EXPECT_TRUE(queue.submit(cmd::cfgi_all()));
  EXPECT_TRUE(logged(Code::command_illegal));
}

TEST_F(CommandQueue, ErrKeptInConsAfterARecoveryMeansNothing) {
  fake.keep_err = true;
  reject(Opcode::CMD_PRI_RESP, Cerror::ILL);
  EXPECT_EQ(queue.submit(cmd::pri_resp(1, 0, arch::PriResponse::success)), Errc::illegal_command);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(queue.submit(cmd::cfgi_all()));
  }
}

TEST_F(CommandQueue, IllegalCommandsInEverySlotAreAllRecovered) {
  reject(Opcode::CMD_PRI_RESP, Cerror::ILL);
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(queue.submit(cmd::pri_resp(1, 0, arch::PriResponse::success)), Errc::illegal_command);
  }
  EXPECT_EQ(queue.failures(), 50U);
}

TEST_F(CommandQueue, ASecondFetchMaySucceedAfterAnAbort) {
  int aborts = 0;
  fake.judge = [&](const Command& c) {
    return c.get(Command::Opcode) == Opcode::CMD_CFGI_STE && aborts++ == 0 ? Cerror::ABT : Cerror::NONE;
  };
  EXPECT_TRUE(queue.submit(cmd::cfgi_ste(1, true)));
  EXPECT_TRUE(logged(Code::command_aborted));
  EXPECT_FALSE(health.failed());
}

TEST_F(CommandQueue, AFetchThatAlwaysAbortsFailsTheSmmu) {
  reject(Opcode::CMD_CFGI_STE, Cerror::ABT);
  EXPECT_EQ(queue.submit(cmd::cfgi_ste(1, true)), Errc::command_abort);
  EXPECT_TRUE(health.failed());
  EXPECT_EQ(queue.submit(cmd::cfgi_all()), Errc::smmu_failed);
}

TEST_F(CommandQueue, ATimedOutAtcInvalidationIsToldToItsSubmitter) {
  bool once = true;
  fake.judge = [&](const Command& c) {
    return c.get(Command::Opcode) == Opcode::CMD_SYNC && std::exchange(once, false) ? Cerror::ATC_INV_SYNC
                                                                                    : Cerror::NONE;
  };
  EXPECT_EQ(queue.submit(cmd::atc_inv(1, 0, 52)), Errc::atc_timed_out);
  EXPECT_TRUE(queue.submit(cmd::cfgi_all()));
  EXPECT_TRUE(logged(Code::atc_inv_timed_out));
}

TEST_F(CommandQueue, AHungQueueTimesOutAndFailsTheSmmu) {
  fake.stopped = true;
  EXPECT_EQ(queue.submit(cmd::cfgi_all()), Errc::timed_out);
  EXPECT_TRUE(logged(Code::sync_timed_out));
  EXPECT_EQ(queue.submit(cmd::cfgi_all()), Errc::smmu_failed);
  EXPECT_EQ(health.timeouts(), 1U);
}

TEST_F(CommandQueue, AnSmmuThatIsGoneHasExecutedNothing) {
  struct Gone : platform::Mmio { // reads of nothing are all ones
    std::uint32_t read32(std::uint32_t) override { return ~0U; }
    std::uint64_t read64(std::uint32_t) override { return ~0ULL; }
    void write32(std::uint32_t, std::uint32_t) override {}
    void write64(std::uint32_t, std::uint64_t) override {}
  } gone;
  driver::Registers nothing{gone};
  driver::GlobalErrors none{nothing, port.sync};
  driver::CommandQueue lost{port.platform(), nothing, none, health, 2000};
  ASSERT_TRUE(lost.make(log2_size));
  for (int i = 0; i < 20 && !health.failed(); ++i) {
    EXPECT_FALSE(lost.submit(cmd::cfgi_all()).ok());
  }
  EXPECT_TRUE(health.failed());
}

TEST_F(CommandQueue, AFullQueueTimesOutByName) {
  fake.stopped = true;
  for (unsigned i = 0; i < 1U << log2_size; ++i) {
    ASSERT_TRUE(queue.submit(cmd::cfgi_ste(i, true), Wait::no));
  }
  EXPECT_EQ(queue.submit(cmd::cfgi_all(), Wait::no), Errc::timed_out);
  EXPECT_TRUE(logged(Code::space_timed_out));
}

TEST_F(CommandQueue, WithoutCoherentWalksCommandsAreCleanedBeforeTheDoorbell) {
  port.memory.set_facts({.coherent_walks = false});
  driver::CommandQueue incoherent{port.platform(), registers, errors, health, 50000};
  registers.write(arch::CR0{});
  ASSERT_TRUE(incoherent.make(log2_size));
  incoherent.program();
  registers.write(arch::CR0{}.with(arch::CR0::CMDQEN, 1));
  std::size_t cleaned = 0;
  bool rung = false;
  port.memory.on_clean([&](const void*, std::size_t size) {
    EXPECT_FALSE(rung);
    cleaned += size;
  });
  fake.on_write = [&](std::uint32_t offset, std::uint64_t) { rung = rung || offset == arch::CMDQ_PROD::offset; };
  ASSERT_TRUE(incoherent.submit(cmd::cfgi_all()));
  EXPECT_EQ(cleaned, 32U);
}

TEST_F(CommandQueue, NoMemoryForTheMarksLeaksNothing) {
  const auto live = port.memory.counts().live();
  {
    driver::CommandQueue other{port.platform(), registers, errors, health, 50000};
    port.memory.fail(2);
    EXPECT_EQ(other.make(log2_size), Errc::no_memory);
  }
  EXPECT_EQ(port.memory.counts().live(), live);
}

// A thread may not be scheduled for long while others wait for it.
struct CommandQueueThreads : Queue {
  CommandQueueThreads() : Queue{60'000'000} {}
};
using HungCommandQueueThreads = Queue;

TEST_F(CommandQueueThreads, NothingIsOverwrittenWhileTheQueueIsFull) {
  fake.stopped = true;
  for (unsigned i = 0; i < 1U << log2_size; ++i) {
    ASSERT_TRUE(queue.submit(cmd::cfgi_ste(i, true), Wait::no));
  }
  std::thread later{[&] { EXPECT_TRUE(queue.submit(cmd::cfgi_ste(99, true))); }};
  fake.go_on();
  later.join();
  std::uint32_t next = 0;
  for (const auto& c : fake.commands()) {
    if (c.get(Command::Opcode) == Opcode::CMD_CFGI_STE && next < 1U << log2_size) {
      EXPECT_EQ(c.get(Command::StreamID), next++);
    }
  }
}

// Each submitter numbers his commands; each must arrive, in his order, his batches in one piece.
TEST_F(CommandQueueThreads, EverySubmittersBatchesArriveWholeAndInOrder) {
  constexpr std::uint32_t submitters = 4;
  constexpr std::uint32_t batches = 300;
  std::vector<std::thread> threads;
  for (std::uint32_t who = 0; who < submitters; ++who) {
    threads.emplace_back([&, who] {
      for (std::uint32_t i = 0; i < batches; ++i) {
        const std::array<Command, 3> batch{cmd::cfgi_ste(who << 24 | (3 * i), true),
                                           cmd::cfgi_ste(who << 24 | (3 * i + 1), true),
                                           cmd::cfgi_ste(who << 24 | (3 * i + 2), true)};
        ASSERT_TRUE(queue.submit(batch, i % 4 == 0 ? Wait::no : Wait::yes));
      }
    });
  }
  for (auto& t : threads) {
    t.join();
  }
  std::array<std::uint32_t, submitters> next{};
  std::uint32_t in_batch = 0;
  std::uint32_t owner = 0;
  for (const auto& c : fake.commands()) {
    if (c.get(Command::Opcode) != Opcode::CMD_CFGI_STE) {
      EXPECT_EQ(in_batch, 0U) << "a SYNC inside a batch";
      continue;
    }
    const auto who = static_cast<std::uint32_t>(c.get(Command::StreamID)) >> 24;
    ASSERT_LT(who, submitters);
    if (in_batch == 0) {
      owner = who;
    }
    ASSERT_EQ(who, owner) << "batches are mixed";
    ASSERT_EQ(c.get(Command::StreamID) & 0xffffff, next[who]++);
    in_batch = (in_batch + 1) % 3;
  }
  for (const auto n : next) {
    EXPECT_EQ(n, 3 * batches);
  }
}

// When submit returns, the submitter's own commands have been consumed, whatever the others do.
TEST_F(CommandQueueThreads, NoSyncReturnsBeforeItsCommandsAreConsumed) {
  std::array<std::atomic<std::uint32_t>, 3> consumed{};
  fake.on_command = [&](const Command& c) {
    if (c.get(Command::Opcode) == Opcode::CMD_CFGI_STE) {
      const auto sid = static_cast<std::uint32_t>(c.get(Command::StreamID));
      consumed[sid >> 24].store((sid & 0xffffff) + 1);
    }
  };
  std::vector<std::thread> threads;
  for (std::uint32_t who = 0; who < 3; ++who) {
    threads.emplace_back([&, who] {
      for (std::uint32_t i = 0; i < 500; ++i) {
        ASSERT_TRUE(queue.submit(cmd::cfgi_ste(who << 24 | i, true)));
        ASSERT_EQ(consumed[who].load(), i + 1);
      }
    });
  }
  for (auto& t : threads) {
    t.join();
  }
}

// Only who sent the illegal command is told, while others go on: as long as fewer fail during one of their waits than
// are remembered.
TEST_F(CommandQueueThreads, OnlyTheOffenderIsToldOfAnIllegalCommand) {
  constexpr unsigned offences = driver::CommandFailures::remembered - 1;
  reject(Opcode::CMD_PRI_RESP, Cerror::ILL);
  std::thread offender{[&] {
    for (unsigned i = 0; i < offences; ++i) {
      ASSERT_EQ(queue.submit(cmd::pri_resp(1, 0, arch::PriResponse::success)), Errc::illegal_command);
    }
  }};
  for (std::uint32_t i = 0; i < 300; ++i) {
    EXPECT_TRUE(queue.submit(cmd::cfgi_ste(i, true)));
  }
  offender.join();
  EXPECT_EQ(queue.failures(), offences);
}

TEST_F(HungCommandQueueThreads, AllWaitersComeBack) {
  fake.stopped = true;
  std::vector<std::thread> threads;
  std::atomic<int> timed_out{0};
  std::atomic<int> failed{0};
  for (int who = 0; who < 4; ++who) {
    threads.emplace_back([&] {
      const auto status = queue.submit(cmd::cfgi_all());
      ASSERT_FALSE(status.ok());
      (status == Errc::timed_out ? timed_out : failed)++;
    });
  }
  for (auto& t : threads) {
    t.join();
  }
  EXPECT_GE(timed_out.load(), 1);
  EXPECT_EQ(timed_out + failed, 4);
}

} // namespace
} // namespace sluice::test

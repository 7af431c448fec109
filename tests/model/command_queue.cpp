#include "rig.hpp"

namespace sluice::model::test {
namespace {

using arch::GERROR;

constexpr std::uint64_t cmdq_err = GERROR::CMDQ_ERR.mask;

Command illegal() {
  Command c;
  c.w[0] = 0xff;
  return c;
}

TEST(CommandQueue, CONSFollowsPROD) {
  Rig rig;
  rig.submit(arch::cmd::cfgi_all());
  EXPECT_TRUE(rig.drained());
  rig.submit(arch::cmd::sync());
  EXPECT_TRUE(rig.drained());
  EXPECT_EQ(rig.smmu->counters().commands, 2U);
  EXPECT_EQ(rig.smmu->counters().syncs, 1U);
}

TEST(CommandQueue, NothingIsConsumedWhileCMDQENIs0) {
  Rig rig{Features{}, {}, false};
  rig.submit(arch::cmd::cfgi_all());
  EXPECT_FALSE(rig.drained());
  rig.w32<arch::CR0>(8);
  EXPECT_TRUE(rig.drained());
}

TEST(CommandQueue, ItWrapsManyTimes) {
  Rig rig;
  for (unsigned i = 0; i < 1000; ++i) {
    rig.submit(i % 7 == 0 ? arch::cmd::sync() : arch::cmd::tlbi_nsnh_all());
    ASSERT_TRUE(rig.drained()) << i;
  }
}

TEST(CommandQueue, AFullQueueIsConsumed) {
  Rig rig;
  rig.w32<arch::CR0>(0);
  for (unsigned i = 0; i < 32; ++i) {
    rig.submit(arch::cmd::tlbi_nsnh_all());
  }
  EXPECT_EQ(rig.prod, 32U); // wrap bit set, index 0
  rig.w32<arch::CR0>(8);
  EXPECT_TRUE(rig.drained());
  EXPECT_EQ(rig.smmu->counters().commands, 32U);
}

TEST(CommandQueue, AQueueOfOneEntryWorks) {
  Rig rig{Features{}, {}, false};
  rig.cmdq_log2 = 0;
  rig.w64<arch::CMDQ_BASE>(rig.cmdq);
  rig.w32<arch::CR0>(8);
  for (unsigned i = 0; i < 5; ++i) {
    rig.submit(arch::cmd::sync());
    ASSERT_TRUE(rig.drained());
  }
}

TEST(CommandQueue, LOG2SIZEIsCappedButReadsBack) {
  Features f;
  f.cmdq_log2 = 5;
  Rig rig{f, {}, false};
  rig.w64<arch::CMDQ_BASE>(rig.cmdq | 19);
  EXPECT_EQ(rig.smmu->read(arch::CMDQ_BASE::offset, 8) & 0x1f, 19U);
  rig.w32<arch::CR0>(8);
  for (unsigned i = 0; i < 100; ++i) {
    rig.submit(arch::cmd::sync());
    ASSERT_TRUE(rig.drained());
  }
}

TEST(CommandQueue, AnIllegalCommandStopsAtItself) {
  Rig rig;
  rig.submit(arch::cmd::cfgi_all());
  rig.submit(illegal());
  rig.submit(arch::cmd::cfgi_all());
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>() & 0xfffff, 1U);
  EXPECT_EQ(rig.command_error(), arch::Cerror::ILL);
  EXPECT_TRUE(rig.gerror_active(cmdq_err));
}

TEST(CommandQueue, ItGoesOnWhenTheErrorIsAcknowledgedAndTheCommandReplaced) {
  Rig rig;
  rig.submit(illegal());
  rig.submit(arch::cmd::sync());
  const auto next = rig.prod;
  rig.prod = 0;
  rig.put_command(arch::cmd::sync());
  rig.prod = next;
  rig.w32<arch::GERRORN>(rig.r32<arch::GERROR>());
  EXPECT_TRUE(rig.drained());
  EXPECT_EQ(rig.smmu->counters().syncs, 2U);
}

TEST(CommandQueue, ACommandThatStaysIllegalFailsAgain) {
  Rig rig;
  rig.submit(illegal());
  const auto before = rig.r32<arch::GERROR>();
  rig.w32<arch::GERRORN>(before);
  EXPECT_TRUE(rig.gerror_active(cmdq_err));
  EXPECT_NE(rig.r32<arch::GERROR>() & cmdq_err, before & cmdq_err);
  EXPECT_EQ(rig.smmu->counters().command_errors, 2U);
}

TEST(CommandQueue, DisablingTheQueueDoesNotClearTheError) {
  Rig rig;
  rig.submit(illegal());
  rig.w32<arch::CR0>(0x5);
  rig.w32<arch::CR0>(0xd);
  EXPECT_TRUE(rig.gerror_active(cmdq_err));
  EXPECT_EQ(rig.smmu->counters().command_errors, 1U);
}

TEST(CommandQueue, AnAbortOfTheFetchIsCERROR_ABT) {
  Rig rig;
  rig.ram.plant(rig.cmdq + 16);
  rig.submit(arch::cmd::cfgi_all());
  rig.submit(arch::cmd::cfgi_all());
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>() & 0xfffff, 1U);
  EXPECT_EQ(rig.command_error(), arch::Cerror::ABT);
  rig.ram.heal();
  rig.w32<arch::GERRORN>(rig.r32<arch::GERROR>());
  EXPECT_TRUE(rig.drained());
}

TEST(CommandQueue, GERRORRaisesItsWireOnlyWithGERROR_IRQEN) {
  Rig rig;
  rig.submit(illegal());
  EXPECT_EQ(rig.ram.pulses(Wire::global_error), 0U);
  rig.w32<arch::IRQ_CTRL>(1);
  rig.w32<arch::GERRORN>(rig.r32<arch::GERROR>()); // fails once more
  EXPECT_EQ(rig.ram.pulses(Wire::global_error), 1U);
}

TEST(CommandQueue, SYNCWithCSIRQRaisesItsWireWithoutIRQ_CTRL) {
  Rig rig;
  rig.submit(arch::cmd::sync());
  EXPECT_EQ(rig.ram.pulses(Wire::command_sync), 0U);
  rig.submit(arch::cmd::sync(arch::SyncSignal::irq));
  EXPECT_EQ(rig.ram.pulses(Wire::command_sync), 1U);
}

TEST(CommandQueue, PRODMovedMoreThanAQueueAheadConsumesNothing) {
  Rig rig;
  rig.put_command(arch::cmd::sync());
  rig.w32<arch::CMDQ_PROD>(33);
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>(), 0U);
  rig.w32<arch::CMDQ_PROD>(1);
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>(), 1U);
}

TEST(CommandQueue, CONSIsWrittenOnlyWhileTheQueueIsDisabled) {
  Rig rig;
  rig.w32<arch::CMDQ_CONS>(5);
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>(), 0U);
  rig.w32<arch::CR0>(0);
  rig.w32<arch::CMDQ_CONS>(5);
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>(), 5U);
}

TEST(CommandQueue, CommandsOfAbsentFeaturesAreIllegal) {
  for (const auto& c : {arch::cmd::atc_inv(1, 0, 52), arch::cmd::pri_resp(1, 1, arch::PriResponse::success),
                        arch::cmd::resume_retry(1, 1), arch::cmd::stall_term(1), arch::cmd::cfgi_vms_pidm(1)}) {
    Rig rig;
    rig.submit(c);
    EXPECT_EQ(rig.command_error(), arch::Cerror::ILL);
  }
}

TEST(CommandQueue, PrefetchesAreConsumedWithoutEffect) {
  Rig rig;
  rig.run({arch::cmd::prefetch_config(60), arch::cmd::prefetch_addr(60, 0x1000)});
  EXPECT_TRUE(rig.events().empty());
}

TEST(CommandQueue, ASYNCWaitsForAPortInABurstAndIsReportedWhenHeldTooLong) {
  Knobs k;
  k.sync_hold_report_us = 0;
  Rig rig{Features{}, k};
  rig.put_ste(1, rig.bypass_ste());
  {
    Port::Burst burst{*rig.port};
    rig.submit(arch::cmd::cfgi_all());
    rig.submit(arch::cmd::sync());
    EXPECT_FALSE(rig.drained());
    EXPECT_EQ(rig.r32<arch::CMDQ_CONS>(), 1U);
    EXPECT_TRUE(rig.smmu->snapshot().sync_waits);
    EXPECT_EQ(rig.smmu->snapshot().waits_for, rig.port->id());
    EXPECT_EQ(rig.smmu->counters().syncs_held, 1U);
    EXPECT_EQ(rig.smmu->counters().holding_port, rig.port->id());
  }
  EXPECT_TRUE(rig.drained());
}

TEST(CommandQueue, TheNextAccessOfABurstLetsASYNCGoOn) {
  Rig rig;
  rig.put_ste(1, rig.bypass_ste());
  Port::Burst burst{*rig.port};
  rig.submit(arch::cmd::cfgi_all());
  rig.submit(arch::cmd::sync(arch::SyncSignal::irq));
  EXPECT_FALSE(rig.drained());
  std::uint64_t data = 0;
  burst.access({1, {}, 0x1000, 8, false, false, false}, &data);
  // The port itself completed it: the wire says so before CONS is read.
  EXPECT_EQ(rig.ram.pulses(Wire::command_sync), 1U);
  EXPECT_TRUE(rig.drained());
}

TEST(CommandQueue, ABurstThatBeganAfterTheCommandsHoldsNothingUp) {
  Rig rig;
  rig.submit(arch::cmd::cfgi_all());
  Port::Burst burst{*rig.port};
  rig.submit(arch::cmd::sync());
  EXPECT_TRUE(rig.drained());
}

TEST(CommandQueue, DisablingTheQueueWaitsForTheCommandInProgress) {
  Rig rig;
  {
    Port::Burst burst{*rig.port};
    rig.submit(arch::cmd::cfgi_all());
    rig.submit(arch::cmd::sync());
    rig.w32<arch::CR0>(0x5);
    EXPECT_EQ(rig.r32<arch::CR0ACK>(), 0xdU);
  }
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), 0x5U);
  EXPECT_TRUE(rig.drained());
}

TEST(CommandQueue, APortThatIsDestroyedHoldsNothingUp) {
  Rig rig;
  auto other = std::make_unique<Port>(*rig.smmu);
  {
    Port::Burst burst{*other};
    rig.submit(arch::cmd::cfgi_all());
    rig.submit(arch::cmd::sync());
    EXPECT_FALSE(rig.drained());
  }
  other.reset();
  EXPECT_TRUE(rig.drained());
}

} // namespace
} // namespace sluice::model::test

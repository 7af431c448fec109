#include "rig.hpp"

namespace sluice::vsmmu::test {
namespace {

using namespace arch;

class Commands : public Rig {
protected:
  void SetUp() override {
    Rig::SetUp();
    start();
  }
  static int io_error_for_asid_66(const Command& c) {
    return c.get(Command::ASID) == 66 ? static_cast<int>(Errno::io) : 0;
  }
};

TEST_F(Commands, EveryOpcodeHasItsOutcome) {
  const std::set<unsigned> forwarded{0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x30};
  const std::set<unsigned> own{0x01, 0x02, 0x03, 0x04, 0x46}; // prefetches, STEs, CMD_SYNC
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    kernel.invalidations.clear();
    const std::uint32_t before = consumed();
    Command c;
    c.w[0] = opcode | std::uint64_t{sid} << 32;
    send({c});
    const bool known = forwarded.contains(opcode) || own.contains(opcode);
    EXPECT_EQ(stopped(), !known) << opcode;
    if (!known) {
      EXPECT_EQ(command_error(), Cerror::ILL) << opcode;
      EXPECT_EQ(consumed(), before) << "CONS stays at the command in error: " << opcode;
      put_command(produced - 1, cmd::sync());
      acknowledge();
    }
    EXPECT_EQ(consumed(), queue_pointer(produced, cmdq_log2)) << opcode;
    EXPECT_EQ(invalidated().size(), forwarded.contains(opcode) ? 1U : 0U) << opcode;
  }
}

TEST_F(Commands, InvalidationsAreOneCallUpToTheirSync) {
  send({cmd::tlbi_nh_asid(0, 3), cmd::tlbi_nh_va(0, 3, 0x1000, true), cmd::cfgi_cd(sid, 0, true), cmd::sync(),
        cmd::tlbi_nh_all(0), cmd::sync()});
  ASSERT_EQ(kernel.invalidations.size(), 2U);
  EXPECT_EQ(kernel.invalidations[0], (std::vector<Command>{cmd::tlbi_nh_asid(0, 3), cmd::tlbi_nh_va(0, 3, 0x1000, true),
                                                           cmd::cfgi_cd(sid, 0, true)}));
  EXPECT_EQ(kernel.invalidations[1], (std::vector<Command>{cmd::tlbi_nh_all(0)}));
  EXPECT_EQ(smmu->counters().syncs, 2U);
}

TEST_F(Commands, WithoutASyncTheyAreExecutedBeforeTheQueueIsEmpty) {
  send({cmd::tlbi_nh_asid(0, 3)});
  EXPECT_EQ(kernel.invalidations.size(), 1U);
  EXPECT_EQ(consumed(), 1U);
}

TEST_F(Commands, MoreThanABatchIsSeveralCalls) {
  std::vector<Command> many(200, cmd::tlbi_nh_asid(0, 3));
  many.push_back(cmd::sync());
  send(many);
  ASSERT_EQ(kernel.invalidations.size(), 2U);
  EXPECT_EQ(kernel.invalidations[0].size(), Batch::capacity);
  EXPECT_EQ(invalidated().size(), 200U);
}

TEST_F(Commands, TheFailingCommandIsTheOneAtCons) {
  kernel.refuses = io_error_for_asid_66;
  send({cmd::tlbi_nh_asid(0, 1), cmd::cfgi_cd(sid + 1, 0, true), cmd::tlbi_nh_asid(0, 2), cmd::tlbi_nh_asid(0, 66),
        cmd::tlbi_nh_asid(0, 4), cmd::sync()});
  EXPECT_TRUE(stopped());
  EXPECT_EQ(consumed(), 3U) << "one before it was for a stream without a device";
  EXPECT_EQ(command_error(), Cerror::ILL);
  EXPECT_EQ(smmu->counters().syncs, 0U);
  for (const Command& c : invalidated()) {
    EXPECT_NE(c.get(Command::ASID), 4U) << "7.1: nothing after it has an effect";
  }
  EXPECT_EQ(interrupts.pulses, (std::vector{Wire::global_error}));
  put_command(3, cmd::sync()); // as Linux's driver does
  acknowledge();
  EXPECT_EQ(consumed(), 6U);
  EXPECT_EQ(invalidated().back(), cmd::tlbi_nh_asid(0, 4));
  EXPECT_EQ(smmu->counters().syncs, 2U);
}

TEST_F(Commands, WhatAHostCountsWithoutHavingDoneItIsSentAgain) {
  kernel.refuses = io_error_for_asid_66;
  kernel.counts_what_it_has_not_done = true;
  send({cmd::tlbi_nh_asid(0, 1), cmd::tlbi_nh_asid(0, 2), cmd::tlbi_nh_asid(0, 66), cmd::sync()});
  EXPECT_EQ(consumed(), 2U);
  EXPECT_EQ(invalidated(), (std::vector<Command>{cmd::tlbi_nh_asid(0, 1), cmd::tlbi_nh_asid(0, 2)}));
}

TEST_F(Commands, AnIllegalCommandStopsBehindWhatCameBefore) {
  Command bad;
  bad.w[0] = 0xff;
  send({cmd::tlbi_nh_asid(0, 1), bad, cmd::tlbi_nh_asid(0, 2)});
  EXPECT_EQ(consumed(), 1U);
  EXPECT_EQ(invalidated(), (std::vector<Command>{cmd::tlbi_nh_asid(0, 1)}));
  kernel.refuses = io_error_for_asid_66;
  put_command(1, cmd::tlbi_nh_asid(0, 66));
  put_command(2, bad);
  acknowledge();
  EXPECT_EQ(consumed(), 1U) << "of two in error the first";
}

TEST_F(Commands, NothingAfterAFailedInvalidationChangesAStream) {
  kernel.refuses = io_error_for_asid_66;
  put_ste(sid, config_ste(SteConfig::bypass));
  send({cmd::tlbi_nh_asid(0, 66), cmd::cfgi_ste(sid, true), cmd::sync()});
  EXPECT_EQ(consumed(), 0U);
  EXPECT_EQ(smmu->place_of(sid), Place::abort);
  put_command(0, cmd::sync());
  acknowledge();
  EXPECT_EQ(smmu->place_of(sid), Place::bypass);
}

TEST_F(Commands, WhatTheHostIsShortOfForAMomentIsFetchedAgain) {
  for (const Errno error : {Errno::no_memory, Errno::busy, Errno::interrupted, Errno::again}) {
    const std::uint32_t at = consumed();
    kernel.invalidations.clear();
    kernel.fail(1, error);
    send({cmd::tlbi_nh_asid(0, 1), cmd::sync()});
    EXPECT_TRUE(stopped());
    EXPECT_EQ(command_error(), Cerror::ABT);
    EXPECT_EQ(consumed(), at);
    acknowledge(); // Linux's driver leaves the command as it is
    EXPECT_EQ(invalidated(), (std::vector<Command>{cmd::tlbi_nh_asid(0, 1)}));
    EXPECT_FALSE(stopped());
  }
}

TEST_F(Commands, TheQueueOutsideMemoryIsAnAbortedFetch) {
  enable(0);
  set<CMDQ_BASE>(0x9000'0000 | cmdq_log2);
  enable();
  set<CMDQ_PROD>(1);
  EXPECT_TRUE(stopped());
  EXPECT_EQ(command_error(), Cerror::ABT);
  EXPECT_EQ(consumed(), 0U);
}

TEST_F(Commands, AnErrorHoldsUntilItIsAcknowledged) {
  Command bad;
  send({bad});
  send({cmd::sync()});
  EXPECT_EQ(consumed(), 0U);
  enable(CR0::EVENTQEN.mask | CR0::SMMUEN.mask);
  enable();
  EXPECT_EQ(consumed(), 0U) << "CMDQEN does not clear it";
  put_command(0, cmd::sync());
  acknowledge();
  EXPECT_EQ(consumed(), 2U);
  EXPECT_EQ(interrupts.pulses.size(), 1U);
}

TEST_F(Commands, PointersThatContradictEachOtherMakeNoProgress) {
  set<CMDQ_PROD>((1U << cmdq_log2) + 1); // one more than the queue has
  EXPECT_EQ(consumed(), 0U);
  EXPECT_FALSE(stopped());
  EXPECT_TRUE(kernel.invalidations.empty());
  send({cmd::sync()});
  EXPECT_EQ(consumed(), 1U);
}

TEST_F(Commands, TheQueueWraps) {
  for (int turn = 0; turn < 5; ++turn) {
    std::vector<Command> list(100, cmd::tlbi_nh_asid(0, 3));
    list.push_back(cmd::sync());
    send(list);
    EXPECT_EQ(consumed(), queue_pointer(produced, cmdq_log2));
  }
  EXPECT_EQ(invalidated().size(), 500U);
}

TEST_F(Commands, AFullQueueIsConsumed) {
  send(std::vector<Command>(1U << cmdq_log2, cmd::tlbi_nh_asid(0, 3)));
  EXPECT_EQ(invalidated().size(), 1U << cmdq_log2);
  EXPECT_EQ(consumed(), 1U << cmdq_log2);
}

TEST_F(Commands, ASyncSaysSoAsItIsAskedTo) {
  send({cmd::sync()});
  EXPECT_TRUE(interrupts.messages.empty() && interrupts.pulses.empty());
  send({cmd::sync_msi(ram + 0x50, 0x1234)});
  ASSERT_EQ(interrupts.messages.size(), 1U);
  EXPECT_EQ(interrupts.messages[0], (std::pair<std::uint64_t, std::uint32_t>{ram + 0x50, 0x1234}));
  EXPECT_EQ(interrupts.pulses, (std::vector{Wire::command_sync}));
  send({cmd::sync_msi(0, 0x1234)});
  EXPECT_EQ(interrupts.messages.size(), 1U) << "address 0 is none";
  send({cmd::sync(SyncSignal::sev)});
  EXPECT_EQ(interrupts.wakes, 0) << "IDR0.SEV is 0";
}

TEST_F(Commands, AnAbortedMessageIsAGlobalErrorAndTheSyncIsConsumed) {
  interrupts.aborts = true;
  send({cmd::sync_msi(ram + 0x50, 1)});
  EXPECT_TRUE(error_active(GERROR::MSI_CMDQ_ABT_ERR.mask));
  EXPECT_EQ(consumed(), 1U);
}

TEST_F(Commands, WithoutAVirtualIommuThereIsNothingToInvalidate) {
  make();
  place_queues();
  enable();
  produced = 0;
  kernel.invalidations.clear();
  send({cmd::tlbi_nsnh_all(), cmd::cfgi_all(), cmd::sync()});
  EXPECT_EQ(consumed(), 3U);
  EXPECT_TRUE(kernel.invalidations.empty());
}

// What the architecture lets pass is not there for a host to refuse.

TEST_F(Commands, FieldsThatAreIgnoredDoNotReachTheHost) {
  const auto sent = [&](Command c) {
    kernel.invalidations.clear();
    send({c});
    EXPECT_FALSE(stopped());
    const auto all = invalidated();
    return all.empty() ? Command{} : all.front();
  };
  const Command va = cmd::tlbi_nh_va(0, 3, 0x1000, true);
  EXPECT_EQ(sent(va.with(Command::NUM, 3).with(Command::TTL, 2)), va) << "no granule, no range";
  EXPECT_EQ(sent(va.with(Command::TTL128, 1)), va);
  Command reserved = va;
  reserved.w[0] |= 1ULL << 8;
  EXPECT_EQ(sent(reserved), va);
  const Command range = va.with(Command::TG, TlbiTg::k16).with(Command::NUM, 5);
  EXPECT_EQ(sent(range.with(Command::TTL, 1)), range) << "reserved without DS";
  EXPECT_EQ(sent(range.with(Command::TTL, 2)), range.with(Command::TTL, 2));
  EXPECT_EQ(sent(cmd::cfgi_cd(sid, 1, true)), Command{}) << "4.1.7: there are no substreams";
}

TEST_F(Commands, AnAsidThatCannotBeHasNoEffect) {
  IdRegisters id = small_features(kernel);
  id.idr0.set(IDR0::ASID16, 0);
  make(id);
  start();
  produced = 0;
  send({cmd::tlbi_nh_asid(0, 0x100), cmd::tlbi_nh_va(0, 0x101, 0x1000, true), cmd::tlbi_nh_asid(0, 0xff), cmd::sync()});
  EXPECT_EQ(invalidated(), (std::vector<Command>{cmd::tlbi_nh_asid(0, 0xff)}));
}

TEST_F(Commands, AReservedFieldIsIllegalWhereTheMonitorSaysSo) {
  config.reserved_bits_illegal = true;
  make();
  start();
  produced = 0;
  Command c = cmd::tlbi_nh_all(0);
  c.w[1] = 1;
  send({c});
  EXPECT_EQ(command_error(), Cerror::ILL);
}

class AtcCommands : public Rig {
protected:
  void SetUp() override {
    kernel.info.idr[0] |= static_cast<std::uint32_t>(IDR0::ATS.mask);
    kernel.max_pasid_log2 = 4;
    Rig::SetUp();
    start();
  }
};

TEST_F(AtcCommands, GoToTheDeviceWhileTheSmmuIsOn) {
  send({cmd::atc_inv(sid, 0x1000, 2), cmd::atc_inv_pasid(sid, 3, 0, 52), cmd::atc_inv(sid + 1, 0, 52),
        cmd::atc_inv_pasid(sid, 16, 0, 52)});
  EXPECT_EQ(invalidated(), (std::vector<Command>{cmd::atc_inv(sid, 0x1000, 2), cmd::atc_inv_pasid(sid, 3, 0, 52)}));
  enable(CR0::CMDQEN.mask);
  kernel.invalidations.clear();
  send({cmd::atc_inv(sid, 0, 52)});
  EXPECT_TRUE(kernel.invalidations.empty()) << "4.5.1";
}

TEST_F(AtcCommands, ASpanBeyondAllAddressesIsIllegal) {
  send({cmd::atc_inv(sid, 0, 53)});
  EXPECT_EQ(command_error(), Cerror::ILL);
}

TEST_F(AtcCommands, ATimeOutIsToldByTheNextSyncAndOthersTakeEffect) {
  kernel.refuses = [](const Command& c) {
    const bool atc = c.get(Command::Opcode) == Opcode::CMD_ATC_INV && c.get(Command::Address) == 0x5000;
    return atc ? static_cast<int>(Errno::timed_out) : 0;
  };
  send({cmd::tlbi_nh_asid(0, 1), cmd::atc_inv(sid, 0x5000, 0), cmd::tlbi_nh_asid(0, 2), cmd::sync()});
  EXPECT_EQ(command_error(), Cerror::ATC_INV_SYNC);
  EXPECT_EQ(consumed(), 3U) << "at the CMD_SYNC";
  EXPECT_EQ(invalidated().back(), cmd::tlbi_nh_asid(0, 2));
  acknowledge();
  EXPECT_EQ(consumed(), 4U) << "it has been told";
}

} // namespace
} // namespace sluice::vsmmu::test

#include "rig.hpp"

// 3.18 interrupts as messages and as wires, 6.3.16 IRQ_CTRL and what it guards.
namespace sluice::model::test {
namespace {

using arch::GERROR;
using arch::MemAttr;
using arch::Shareability;

constexpr std::uint64_t event_at = 0x1'0000, gerror_at = 0x1'0100, sync_at = 0x1'0200;

struct Msi : testing::Test {
  Msi() : Msi(Knobs{}) {}
  explicit Msi(const Knobs& knobs) : rig{features(), knobs} {
    rig.w64<arch::EVENTQ_IRQ_CFG0>(event_at);
    rig.w32<arch::EVENTQ_IRQ_CFG1>(0xe1);
    rig.w32<arch::EVENTQ_IRQ_CFG2>(1U); // Device-nGnRE
    rig.w64<arch::GERROR_IRQ_CFG0>(gerror_at);
    rig.w32<arch::GERROR_IRQ_CFG1>(0x6e);
    rig.w32<arch::GERROR_IRQ_CFG2>(0xfU | 3U << 4); // WB, ISH
  }
  static Features features() {
    auto f = Rig::with_substreams();
    f.msi = true;
    return f;
  }
  void enable(std::uint32_t bits = 5) {
    rig.w32<arch::IRQ_CTRL>(bits);
    EXPECT_EQ(rig.r32<arch::IRQ_CTRLACK>(), bits);
  }
  void fault() { rig.read(1, 0x1000); } // C_BAD_STE
  void bad_command() {
    Command c;
    c.w[0] = 0xff;
    rig.submit(c);
  }
  std::vector<std::uint32_t> data() const {
    std::vector<std::uint32_t> all;
    for (const auto& m : rig.ram.messages()) {
      all.push_back(m.data);
    }
    return all;
  }
  using Data = std::vector<std::uint32_t>;
  Rig rig;
};

TEST_F(Msi, AnEventInAnEmptyQueueSendsEVENTQsMessage) {
  enable();
  fault();
  fault();
  EXPECT_EQ(data(), Data{0xe1});
  const auto access = rig.ram.messages()[0].access;
  EXPECT_EQ(access.address, event_at);
  EXPECT_EQ(access.size, 4U);
  EXPECT_EQ(access.attributes.mair, 0x04U);
  EXPECT_EQ(access.attributes.shareability, 2U); // 13.1.3
  EXPECT_EQ(access.initiator.stream, Initiator::smmu_itself);
  EXPECT_EQ(rig.smmu->counters().messages, 1U);
}

TEST_F(Msi, TheWireIsPulsedBesides) {
  enable();
  fault();
  EXPECT_EQ(rig.ram.pulses(Wire::event_queue), 1U);
}

TEST_F(Msi, NothingIsSentWithoutItsIRQEN) {
  fault();
  bad_command();
  EXPECT_EQ(data(), Data{});
}

TEST_F(Msi, OnlyWhatHappensAfterIRQENCounts) {
  fault();
  enable();
  EXPECT_EQ(data(), Data{});
  rig.events();
  fault();
  EXPECT_EQ(data(), Data{0xe1});
}

TEST_F(Msi, AnErrorSendsGERRORsMessage) {
  enable();
  bad_command();
  EXPECT_EQ(data(), Data{0x6e});
  EXPECT_EQ(rig.ram.messages()[0].access.attributes.mair, 0xffU);
  EXPECT_EQ(rig.ram.messages()[0].access.attributes.shareability, 3U);
}

TEST_F(Msi, Address0SendsNoneAndTheWireStays) {
  rig.w64<arch::EVENTQ_IRQ_CFG0>(0);
  enable();
  fault();
  EXPECT_EQ(data(), Data{});
  EXPECT_EQ(rig.ram.pulses(Wire::event_queue), 1U);
}

TEST_F(Msi, AnAddressBeyondOASIsCut) {
  rig.w64<arch::EVENTQ_IRQ_CFG0>(1ULL << 50 | event_at);
  enable();
  fault();
  ASSERT_EQ(data(), Data{0xe1});
  EXPECT_EQ(rig.ram.messages()[0].access.address, event_at);
}

TEST_F(Msi, CMD_SYNCSendsItsOwnWithoutIRQ_CTRL) {
  rig.run({arch::cmd::sync_msi(sync_at, 0x5e, MemAttr::onc_inc, Shareability::inner)});
  EXPECT_EQ(data(), Data{0x5e});
  EXPECT_EQ(rig.ram.messages()[0].access.address, sync_at);
  EXPECT_EQ(rig.ram.messages()[0].access.attributes.mair, 0x44U);
  EXPECT_EQ(rig.ram.messages()[0].access.attributes.shareability, 2U);
  EXPECT_EQ(rig.ram.pulses(Wire::command_sync), 1U);
}

TEST_F(Msi, ACMD_SYNCWithCS0SendsNone) {
  rig.run({arch::cmd::sync_msi(sync_at, 0x5e).with(Command::CS, arch::SyncSignal::none)});
  EXPECT_EQ(data(), Data{});
}

TEST_F(Msi, ACMD_SYNCThatWaitsSendsItWhenItCompletes) {
  Port::Burst burst{*rig.port};
  rig.submit(arch::cmd::cfgi_all());
  rig.submit(arch::cmd::sync_msi(sync_at, 0x5e));
  EXPECT_EQ(data(), Data{});
  burst.pause();
  EXPECT_EQ(data(), Data{0x5e});
}

TEST_F(Msi, AnAbortOfEVENTQsIsMSI_EVENTQ_ABT_ERRWithItsOwnInterrupt) {
  enable();
  rig.ram.plant(event_at);
  fault();
  EXPECT_TRUE(rig.gerror_active(GERROR::MSI_EVENTQ_ABT_ERR.mask));
  EXPECT_EQ(data(), Data{0x6e});
  EXPECT_EQ(rig.events().size(), 1U); // the record is there all the same
}

TEST_F(Msi, AnAbortOfCMD_SYNCsIsMSI_CMDQ_ABT_ERRAndItIsConsumed) {
  enable();
  rig.ram.plant(sync_at);
  rig.run({arch::cmd::sync_msi(sync_at, 0x5e)});
  EXPECT_TRUE(rig.gerror_active(GERROR::MSI_CMDQ_ABT_ERR.mask));
  EXPECT_EQ(rig.command_error(), arch::Cerror::NONE);
  EXPECT_EQ(data(), Data{0x6e});
}

TEST_F(Msi, AnAbortOfGERRORsIsMSI_GERROR_ABT_ERRWithoutInterrupt) {
  enable();
  rig.ram.plant(gerror_at);
  bad_command();
  EXPECT_TRUE(rig.gerror_active(GERROR::CMDQ_ERR.mask));
  EXPECT_TRUE(rig.gerror_active(GERROR::MSI_GERROR_ABT_ERR.mask));
  EXPECT_EQ(data(), Data{});
  EXPECT_EQ(rig.ram.pulses(Wire::global_error), 1U);
}

TEST_F(Msi, AnErrorThatIsActiveAlreadyRaisesNothing) {
  enable();
  rig.ram.plant(sync_at);
  rig.run({arch::cmd::sync_msi(sync_at, 1)});
  rig.run({arch::cmd::sync_msi(sync_at, 2)});
  EXPECT_EQ(data(), Data{0x6e});
  rig.w32<arch::GERRORN>(rig.r32<arch::GERROR>());
  rig.run({arch::cmd::sync_msi(sync_at, 3)});
  EXPECT_EQ(data(), (Data{0x6e, 0x6e}));
}

TEST_F(Msi, EachIRQ_CFGIsReadOnlyWhileItsInterruptIsEnabled) {
  enable(4);
  rig.w64<arch::EVENTQ_IRQ_CFG0>(0x5000);
  rig.w32<arch::EVENTQ_IRQ_CFG1>(0);
  rig.w32<arch::EVENTQ_IRQ_CFG2>(0);
  EXPECT_EQ(rig.smmu->read(arch::EVENTQ_IRQ_CFG0::offset, 8), event_at);
  EXPECT_EQ(rig.r32<arch::EVENTQ_IRQ_CFG1>(), 0xe1U);
  EXPECT_EQ(rig.r32<arch::EVENTQ_IRQ_CFG2>(), 1U);
  rig.w32<arch::GERROR_IRQ_CFG1>(0x77); // not this one's
  EXPECT_EQ(rig.r32<arch::GERROR_IRQ_CFG1>(), 0x77U);
  enable(1);
  rig.w32<arch::GERROR_IRQ_CFG1>(0x88);
  EXPECT_EQ(rig.r32<arch::GERROR_IRQ_CFG1>(), 0x77U);
  rig.w32<arch::EVENTQ_IRQ_CFG1>(0x99);
  EXPECT_EQ(rig.r32<arch::EVENTQ_IRQ_CFG1>(), 0x99U);
}

struct MsiOnly : Msi {
  static Knobs knobs() {
    Knobs k;
    k.wires = false;
    return k;
  }
  MsiOnly() : Msi(knobs()) {}
};

TEST_F(MsiOnly, WithoutWiresOnlyMessagesAreSent) {
  enable();
  fault();
  bad_command();
  EXPECT_EQ(data(), (Data{0xe1, 0x6e}));
  EXPECT_EQ(rig.smmu->counters().wire_edges, 0U);
}

TEST(Interrupts, IRQ_CFGIsReservedWithoutIDR0_MSI) {
  Rig rig;
  rig.w64<arch::EVENTQ_IRQ_CFG0>(event_at);
  rig.w32<arch::GERROR_IRQ_CFG1>(1);
  EXPECT_EQ(rig.smmu->read(arch::EVENTQ_IRQ_CFG0::offset, 8), 0U);
  EXPECT_EQ(rig.r32<arch::GERROR_IRQ_CFG1>(), 0U);
}

TEST(Interrupts, AMessageOfCMD_SYNCIsIgnoredWithoutIDR0_MSI) {
  Rig rig;
  rig.run({arch::cmd::sync_msi(sync_at, 0x5e)});
  EXPECT_TRUE(rig.ram.messages().empty());
  EXPECT_EQ(rig.ram.pulses(Wire::command_sync), 1U);
}

} // namespace
} // namespace sluice::model::test

#include "machine.hpp"

// 3.18: interrupts as messages, where the SMMU can write them and the port has an address for them.
namespace sluice::test {
namespace {

using namespace arch;
using driver::Code;

driver::Config with_lines() {
  auto config = Machine::quick();
  config.event_wire = {true, 3};
  config.gerror_wire = {true, 4};
  return config;
}

// A system whose messages are as they are said to be.
struct SomeIrq final : platform::Irq {
  base::Status connect(platform::IrqLine, platform::IrqHandler&) override { return {}; }
  void disconnect(platform::IrqLine) override {}
  base::Result<platform::IrqMessage> message(platform::IrqLine) override { return answer; }
  base::Result<platform::IrqMessage> answer{Errc::unsupported};
};

struct Messages : testing::Test {
  Messages() { m.fake.id(m.fake.get<IDR0>().with(IDR0::MSI, 1)); }
  base::Status start_on(SomeIrq& irq, const driver::Config& config) {
    const auto p = m.port.platform();
    auto made = driver::Smmu::make({p.memory, p.sync, p.time, irq, p.log}, m.fake, config);
    if (!made) {
      return made.error();
    }
    m.smmu = std::move(*made);
    return {};
  }
  IRQ_CTRL enabled() { return m.fake.get<IRQ_CTRL>(); }
  Machine m;
};

TEST_F(Messages, GoWhereThePortSaysThatTheyRaiseTheLine) {
  ASSERT_TRUE(m.start(with_lines()));
  EXPECT_EQ(m.fake.get<EVENTQ_IRQ_CFG0>().get(EVENTQ_IRQ_CFG0::ADDR), hosted::Irq::doorbell);
  EXPECT_EQ(m.fake.get<EVENTQ_IRQ_CFG1>().get(EVENTQ_IRQ_CFG1::DATA), 3U);
  EXPECT_EQ(m.fake.get<GERROR_IRQ_CFG0>().get(GERROR_IRQ_CFG0::ADDR), hosted::Irq::doorbell);
  EXPECT_EQ(m.fake.get<GERROR_IRQ_CFG1>().get(GERROR_IRQ_CFG1::DATA), 4U);
  EXPECT_EQ(m.fake.get<EVENTQ_IRQ_CFG2>().get(EVENTQ_IRQ_CFG2::MemAttr), MemAttr::device_ngnre);
  EXPECT_FALSE(m.logged(Code::no_message));
}

// 6.3.17: the registers are guarded by the enables.
TEST_F(Messages, AreSetUpWhileNoInterruptIsEnabledAndTheAddressIsLast) {
  ASSERT_TRUE(m.start(with_lines()));
  std::optional<std::uint64_t> control;
  std::vector<std::uint32_t> written;
  for (const auto& s : m.fake.seen()) {
    if (s.kind != FakeSmmu::Seen::Kind::write) {
      continue;
    }
    if (s.offset == IRQ_CTRL::offset) {
      control = s.value;
    }
    if (s.offset >= EVENTQ_IRQ_CFG0::offset && s.offset <= EVENTQ_IRQ_CFG2::offset) {
      EXPECT_EQ(control, 0U);
      written.push_back(s.offset);
    }
  }
  EXPECT_EQ(written, (std::vector<std::uint32_t>{EVENTQ_IRQ_CFG0::offset, EVENTQ_IRQ_CFG1::offset,
                                                 EVENTQ_IRQ_CFG2::offset, EVENTQ_IRQ_CFG0::offset}))
      << "what was there sends none meanwhile";
  EXPECT_EQ(enabled().get(IRQ_CTRL::EVENTQ_IRQEN), 1U);
  EXPECT_EQ(control, enabled().raw()) << "and the enables come after all";
}

TEST_F(Messages, ByTheKnobThereAreNone) {
  auto config = with_lines();
  config.messages = false;
  ASSERT_TRUE(m.start(config));
  EXPECT_EQ(m.fake.get<EVENTQ_IRQ_CFG0>().raw(), 0U);
  EXPECT_EQ(enabled().get(IRQ_CTRL::EVENTQ_IRQEN), 1U) << "there is the wire";
  EXPECT_FALSE(m.logged(Code::no_message));
}

TEST_F(Messages, OfASystemThatTakesNoneTheWireIsLeftAndTheReasonLogged) {
  SomeIrq irq;
  ASSERT_TRUE(start_on(irq, with_lines()));
  EXPECT_EQ(m.fake.get<EVENTQ_IRQ_CFG0>().raw(), 0U);
  EXPECT_EQ(enabled().get(IRQ_CTRL::EVENTQ_IRQEN), 1U);
  EXPECT_TRUE(m.logged(Code::no_message));
  m.smmu.reset();
}

// 3.4.3: an address is cut to the SMMU's output size.
TEST_F(Messages, ThatTheSmmuCannotWriteAreLeftToTheWire) {
  for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{0x8200042}, std::uint64_t{1} << 48}) {
    SomeIrq irq;
    irq.answer = platform::IrqMessage{address, 7};
    ASSERT_TRUE(start_on(irq, with_lines()));
    EXPECT_EQ(m.fake.get<EVENTQ_IRQ_CFG0>().raw(), 0U) << address;
    EXPECT_TRUE(m.logged(Code::no_message));
    m.smmu.reset();
  }
}

TEST(MessagesWithout, TheFeatureNoRegisterOfThemIsTouched) {
  Machine m;
  ASSERT_TRUE(m.start(with_lines()));
  for (const auto& s : m.fake.seen()) {
    EXPECT_FALSE(s.offset >= EVENTQ_IRQ_CFG0::offset && s.offset <= EVENTQ_IRQ_CFG2::offset);
    EXPECT_FALSE(s.offset >= GERROR_IRQ_CFG0::offset && s.offset <= GERROR_IRQ_CFG2::offset);
  }
  EXPECT_EQ(m.fake.get<IRQ_CTRL>().get(IRQ_CTRL::EVENTQ_IRQEN), 1U);
  EXPECT_FALSE(m.logged(Code::no_message));
}

// 4.4: between the stages of a guest.
TEST(CommandCounters, CountASyncAmongInvalidationsToo) {
  Machine m;
  m.fake.id(m.fake.get<IDR3>().with(IDR3::FWB, 1));
  ASSERT_TRUE(m.start());
  auto made = m.try_paging({.nest_parent = true});
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE(m.add({1}).attach(**made).ok());
  ASSERT_TRUE((*made)->map(0, 0x40000000, 0x1000, iommu::prot::read_write).ok());
  m.fake.forget();
  const auto before = m.smmu->counters().syncs;
  ASSERT_TRUE((*made)->unmap(0, 0x1000).ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_SYNC), 2U);
  EXPECT_EQ(m.smmu->counters().syncs - before, 2U);
}

} // namespace
} // namespace sluice::test

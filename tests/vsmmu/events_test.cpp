#include "rig.hpp"

namespace sluice::vsmmu::test {
namespace {

using namespace arch;
using uapi::iommufd::VeventHeader;

class Events : public Rig {
protected:
  void SetUp() override {
    Rig::SetUp();
    start();
  }
  static Event fault(std::uint64_t address) {
    return Event{}
        .with(Event::Type, EventType::F_TRANSLATION)
        .with(Event::StreamID, sid)
        .with(Event::InputAddr, address);
  }
  template <class T>
  void put(const T& value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    stream.insert(stream.end(), bytes, bytes + sizeof value);
  }
  void append(std::uint64_t address) {
    put(VeventHeader{0, sequence++});
    put(fault(address).w);
  }
  base::Status take() {
    const auto status = smmu->take_events(stream);
    stream.clear();
    return status;
  }
  base::Status take(std::uint64_t address) {
    append(address);
    return take();
  }
  static constexpr std::uint32_t room = 1U << eventq_log2;

  std::vector<std::byte> stream;
  std::uint32_t sequence{};
};

TEST_F(Events, TheHostsEventsAreTheGuestsAsTheyAre) {
  append(0x1000);
  append(0x2000);
  ASSERT_TRUE(take());
  EXPECT_EQ(recorded(), 2U);
  EXPECT_EQ(event(0), fault(0x1000));
  EXPECT_EQ(event(1), fault(0x2000));
  EXPECT_EQ(interrupts.pulses, (std::vector{Wire::event_queue})) << "3.18.2: only when it was empty";
}

TEST_F(Events, AnInterruptComesWithTheFirstEventAndWhenItIsAskedFor) {
  set<IRQ_CTRL>(0);
  EXPECT_EQ(get<IRQ_CTRLACK>().raw(), 0U);
  ASSERT_TRUE(take(0x1000));
  EXPECT_TRUE(interrupts.pulses.empty());
  set<EVENTQ_IRQ_CFG0>(ram + 0x100);
  set<EVENTQ_IRQ_CFG1>(77);
  set<IRQ_CTRL>(IRQ_CTRL::EVENTQ_IRQEN.mask);
  set<EVENTQ_CONS>(recorded());
  ASSERT_TRUE(take(0x2000));
  ASSERT_EQ(interrupts.messages.size(), 1U);
  EXPECT_EQ(interrupts.messages[0], (std::pair<std::uint64_t, std::uint32_t>{ram + 0x100, 77}));
}

TEST_F(Events, WhatHasNoRoomIsAnOverflow) {
  for (std::uint32_t n = 0; n < room; ++n) {
    ASSERT_TRUE(take(n << 12));
  }
  EXPECT_FALSE(overflowed());
  ASSERT_TRUE(take(0xbad000));
  EXPECT_TRUE(overflowed());
  EXPECT_EQ(smmu->counters().events_discarded, 1U);
  const std::uint32_t flag = get<EVENTQ_PROD>().raw() & queue_flag;
  set<EVENTQ_CONS>(2); // room, and the overflow is not acknowledged
  ASSERT_TRUE(take(0x1234000));
  EXPECT_EQ(event(0), fault(0x1234000)) << "7.4: it does not stop events";
  ASSERT_TRUE(take(0x1));
  ASSERT_TRUE(take(0x2));
  EXPECT_EQ(get<EVENTQ_PROD>().raw() & queue_flag, flag) << "toggled only once";
  set<EVENTQ_CONS>(2 | flag);
  EXPECT_FALSE(overflowed());
  ASSERT_TRUE(take(0x3));
  EXPECT_TRUE(overflowed());
}

TEST_F(Events, WhatTheHostHasLostIsAnOverflowToo) {
  append(0x1000);
  put(VeventHeader{uapi::iommufd::vevent_lost, sequence + 4});
  ASSERT_TRUE(take());
  EXPECT_TRUE(overflowed());
  EXPECT_EQ(recorded(), 1U);
  EXPECT_EQ(smmu->counters().losses, 1U);
}

TEST_F(Events, AGapInTheirNumbersIsALoss) {
  ASSERT_TRUE(take(0x1000));
  EXPECT_FALSE(overflowed());
  ++sequence;
  ASSERT_TRUE(take(0x2000));
  EXPECT_TRUE(overflowed());
  EXPECT_EQ(recorded(), 2U) << "and what is there is recorded";
}

TEST_F(Events, NumbersBeginAnewAfterTheLargest) {
  sequence = 0x7fff'ffff;
  ASSERT_TRUE(take(0x1000));
  sequence = 0;
  ASSERT_TRUE(take(0x2000));
  EXPECT_EQ(smmu->counters().losses, 0U);
}

TEST_F(Events, AQueueThatIsOffTakesNothing) {
  enable(CR0::CMDQEN.mask | CR0::SMMUEN.mask);
  ASSERT_TRUE(take(0x1000));
  put(VeventHeader{uapi::iommufd::vevent_lost, sequence++});
  ASSERT_TRUE(take());
  EXPECT_EQ(recorded(), 0U);
  EXPECT_FALSE(overflowed()) << "7.4";
}

TEST_F(Events, AQueueOutsideMemoryIsAnErrorUntilItIsAcknowledged) {
  enable(CR0::CMDQEN.mask | CR0::SMMUEN.mask);
  set<EVENTQ_BASE>(0x9000'0000 | eventq_log2);
  enable();
  ASSERT_TRUE(take(0x1000));
  EXPECT_TRUE(error_active(GERROR::EVENTQ_ABT_ERR.mask));
  EXPECT_EQ(recorded(), 0U);
  EXPECT_EQ(interrupts.pulses, (std::vector{Wire::global_error}));
  ASSERT_TRUE(take(0x2000));
  EXPECT_EQ(interrupts.pulses.size(), 1U);
  acknowledge();
  ASSERT_TRUE(take(0x3000));
  EXPECT_EQ(interrupts.pulses.size(), 2U);
}

TEST_F(Events, AnAbortedMessageIsAGlobalError) {
  interrupts.aborts = true;
  set<IRQ_CTRL>(IRQ_CTRL::GERROR_IRQEN.mask);
  set<EVENTQ_IRQ_CFG0>(ram + 0x100);
  set<IRQ_CTRL>(0);
  set<GERROR_IRQ_CFG0>(ram + 0x200);
  set<IRQ_CTRL>(IRQ_CTRL::EVENTQ_IRQEN.mask | IRQ_CTRL::GERROR_IRQEN.mask);
  ASSERT_TRUE(take(0x1000));
  EXPECT_TRUE(error_active(GERROR::MSI_EVENTQ_ABT_ERR.mask));
  EXPECT_TRUE(error_active(GERROR::MSI_GERROR_ABT_ERR.mask)) << "6.3.19: without an interrupt of its own";
}

TEST_F(Events, AStreamOfSomethingElseIsNotTaken) {
  append(0x1000);
  stream.pop_back();
  EXPECT_EQ(take(), base::Errc::protocol);
  stream.resize(4);
  EXPECT_EQ(take(), base::Errc::protocol);
  EXPECT_EQ(recorded(), 0U);
}

} // namespace
} // namespace sluice::vsmmu::test

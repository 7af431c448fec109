#include "rig.hpp"

namespace sluice::model::test {
namespace {

constexpr std::uint64_t abort_error = arch::GERROR::EVENTQ_ABT_ERR.mask;
constexpr std::uint32_t flag = 0x8000'0000;

// StreamID 1 has no STE: each access is C_BAD_STE.
struct EventQueue : testing::Test {
  void fault(unsigned times = 1) {
    for (unsigned i = 0; i < times; ++i) {
      rig.read(1, 0x1000);
    }
  }
  std::uint32_t prod() { return rig.r32<arch::EVENTQ_PROD>(); }

  Rig rig;
};

TEST_F(EventQueue, PRODMovesWithEachRecord) {
  fault(3);
  EXPECT_EQ(prod(), 3U);
  EXPECT_EQ(rig.events().size(), 3U);
}

TEST_F(EventQueue, NothingIsRecordedWhileEVENTQENIs0) {
  rig.w32<arch::CR0>(0x9);
  fault();
  EXPECT_EQ(prod(), 0U);
  EXPECT_EQ(rig.smmu->counters().events_discarded, 1U);
  rig.w32<arch::CR0>(0xd);
  EXPECT_EQ(prod(), 0U);
}

TEST_F(EventQueue, AFullQueueDiscardsAndTogglesOVFLGOnce) {
  fault(32);
  EXPECT_EQ(prod(), 32U);
  fault();
  EXPECT_EQ(prod(), 32U | flag);
  fault();
  EXPECT_EQ(prod(), 32U | flag);
  EXPECT_EQ(rig.smmu->counters().events_recorded, 32U);
}

TEST_F(EventQueue, AnOverflowDoesNotStopNewEventsOnceThereIsSpace) {
  fault(33);
  rig.w32<arch::EVENTQ_CONS>(1); // not acknowledged
  fault();
  EXPECT_EQ(prod(), 33U | flag);
}

TEST_F(EventQueue, AnAcknowledgedOverflowTogglesBackAtTheNext) {
  fault(33);
  rig.w32<arch::EVENTQ_CONS>(flag); // acknowledged, still full
  fault();
  EXPECT_EQ(prod(), 32U);
}

TEST_F(EventQueue, DiscardsWhileDisabledDoNotOverflow) {
  fault(32);
  rig.w32<arch::CR0>(0x9);
  fault();
  EXPECT_EQ(prod(), 32U);
}

TEST_F(EventQueue, ItWraps) {
  for (unsigned i = 0; i < 100; ++i) {
    fault();
    EXPECT_EQ(rig.event().get(Event::Type), EventType::C_BAD_STE) << i;
  }
}

TEST_F(EventQueue, TheWireIsRaisedWhenTheQueueWasEmpty) {
  rig.w32<arch::IRQ_CTRL>(4);
  fault(3);
  EXPECT_EQ(rig.ram.pulses(Wire::event_queue), 1U);
  rig.events();
  fault();
  EXPECT_EQ(rig.ram.pulses(Wire::event_queue), 2U);
}

TEST_F(EventQueue, TheWireNeedsEVENTQ_IRQEN) {
  fault();
  EXPECT_EQ(rig.ram.pulses(Wire::event_queue), 0U);
}

TEST_F(EventQueue, AnAbortOfTheWriteIsEVENTQ_ABT_ERRAndPRODStays) {
  rig.w32<arch::IRQ_CTRL>(5);
  rig.ram.plant(rig.eventq);
  fault();
  EXPECT_TRUE(rig.gerror_active(abort_error));
  EXPECT_EQ(prod(), 0U);
  EXPECT_EQ(rig.ram.pulses(Wire::event_queue), 0U);
  EXPECT_EQ(rig.ram.pulses(Wire::global_error), 1U);
}

TEST_F(EventQueue, NothingIsRecordedUntilTheAbortIsAcknowledged) {
  rig.ram.plant(rig.eventq);
  fault();
  rig.ram.heal();
  fault();
  EXPECT_EQ(prod(), 0U);
  rig.w32<arch::GERRORN>(rig.r32<arch::GERROR>());
  fault();
  EXPECT_EQ(prod(), 1U);
}

TEST_F(EventQueue, AnInconsistentCONSCountsAsFull) {
  fault(2);
  rig.w32<arch::EVENTQ_CONS>(5);
  fault();
  EXPECT_EQ(prod(), 2U | flag);
}

TEST_F(EventQueue, TheRecordIsWrittenWithTheAttributesOfCR1) {
  Rig other{Features{}, {}, false};
  other.w32<arch::CR1>(1U | 1U << 2 | 3U << 4); // WB, ISH
  other.w32<arch::CR0>(0xd);
  other.read(1, 0x1000);
  EXPECT_EQ(other.ram.last().address, other.eventq);
  EXPECT_EQ(other.ram.last().size, 32U);
  EXPECT_EQ(other.ram.last().attributes.mair, 0xffU);
  EXPECT_EQ(other.ram.last().attributes.shareability, 3U);
  EXPECT_EQ(other.ram.last().initiator.stream, Initiator::smmu_itself);
}

} // namespace
} // namespace sluice::model::test

#include "virtio_guest.hpp"

#include <gtest/gtest.h>

// virtio 1.2, 2.7.7 and 2.7.10 with VIRTIO_F_EVENT_IDX: who is told of what.
namespace sluice::pcie {
namespace {

class EventGuest : public Guest {
public:
  static constexpr std::uint64_t used_event = driver + 4 + 2u * size;
  static constexpr std::uint64_t avail_event = device + 4 + 8u * size;

  explicit EventGuest(std::uint64_t optional = virtio::event_idx) {
    start(optional);
    describe(0, buffers, 8, virtio::descriptor_write);
  }
  void tell_of(std::uint16_t index) { memory.put(used_event, index); }
  // Without a notification.
  void add(unsigned chains) {
    for (unsigned i = 0; i < chains; ++i) {
      make_available(0);
    }
  }
  void kick() {
    notify();
    run();
  }
  std::uint16_t wants_kick_at() const { return memory.get<std::uint16_t>(avail_event); }
};

TEST(VirtioEventIndex, TheDriverIsToldOfTheBufferThatItNames) {
  EventGuest g;
  g.tell_of(2);
  g.add(2);
  g.kick();
  EXPECT_EQ(g.wire.edges, 0u) << "0 and 1";
  g.add(1);
  g.kick();
  EXPECT_EQ(g.wire.edges, 1u);
  EXPECT_EQ(g.isr(), virtio::isr_queue);
  g.add(1);
  g.kick();
  EXPECT_EQ(g.wire.edges, 1u) << "it has been told";
}

TEST(VirtioEventIndex, OneInTheMiddleOfManyIsEnough) {
  EventGuest g;
  g.tell_of(5);
  g.add(20);
  g.kick();
  EXPECT_EQ(g.used(), 20u);
  EXPECT_EQ(g.rng.interrupts(), 1u);
}

TEST(VirtioEventIndex, TheFlagIsOfNoMeaning) {
  EventGuest g;
  g.memory.put<std::uint16_t>(Guest::driver, virtio::available_no_interrupt);
  g.tell_of(0);
  g.add(1);
  g.kick();
  EXPECT_EQ(g.wire.edges, 1u);
}

TEST(VirtioEventIndex, WithoutTheFeatureTheIndexIsOfNoMeaning) {
  EventGuest g{0};
  g.tell_of(7);
  g.add(1);
  g.kick();
  EXPECT_EQ(g.wire.edges, 1u);
  EXPECT_EQ(g.wants_kick_at(), 0u) << "nothing is behind the used ring";
}

TEST(VirtioEventIndex, IndicesGoRound) {
  EventGuest g;
  for (unsigned i = 0; i < 0x1'0000 / Guest::size; ++i) {
    g.tell_of(static_cast<std::uint16_t>(g.available - 1)); // has gone by
    g.add(Guest::size);
    g.kick();
  }
  ASSERT_EQ(g.used(), 0u);
  EXPECT_EQ(g.wants_kick_at(), 0u);
  const auto before = g.wire.edges;
  g.isr();
  g.tell_of(0);
  g.add(1);
  g.kick();
  EXPECT_EQ(g.wire.edges, before + 1);
}

TEST(VirtioEventIndex, AQueueThatIsEmptyAsksToBeToldOfTheNextChain) {
  EventGuest g;
  g.add(3);
  g.kick();
  EXPECT_EQ(g.wants_kick_at(), 3u);
  g.kick();
  EXPECT_EQ(g.wants_kick_at(), 3u) << "a notification without a reason";
}

// A driver that adds chains while the queue is served does not notify: what it added meanwhile is found all the same.
TEST(VirtioEventIndex, WhatComesWhileItAsksIsNotMissed) {
  struct LateDriver final : DmaWatch {
    explicit LateDriver(EventGuest& g) : guest{g} {}
    void on_dma(const DmaRecord& record) override {
      if (record.iova == EventGuest::avail_event && left != 0) {
        --left;
        guest.add(1); // its index was looked at before
      }
    }
    EventGuest& guest;
    unsigned left{5};
  };
  EventGuest g;
  LateDriver late{g};
  g.rng.watch(&late);
  g.add(1);
  g.kick();
  EXPECT_EQ(late.left, 0u);
  EXPECT_EQ(g.used(), 6u);
  EXPECT_EQ(g.wants_kick_at(), 6u);
}

TEST(VirtioEventIndex, AnIndexThatCannotBeReadOrWrittenNeedsAReset) {
  for (const std::uint64_t page : {Guest::driver, Guest::device}) {
    EventGuest g;
    g.memory.unmap(page);
    g.kick();
    EXPECT_EQ(g.rng.ring_fault(), RingFault::access);
  }
}

} // namespace
} // namespace sluice::pcie

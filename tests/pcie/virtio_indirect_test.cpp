#include "virtio_guest.hpp"

#include <sluice/hosted/random.hpp>

#include <gtest/gtest.h>

// virtio 1.2, 2.7.5.3: chains whose descriptors are in a table of their own.
namespace sluice::pcie {
namespace {

constexpr std::uint64_t table = 0x4008; // 2.7.5.3 asks for no alignment
constexpr std::uint16_t writable = virtio::descriptor_write;
constexpr std::uint16_t more = virtio::descriptor_next;
constexpr std::uint16_t indirect = virtio::descriptor_indirect;

class IndirectGuest : public Guest {
public:
  IndirectGuest() { start(virtio::indirect_desc); }
  void refer(std::uint32_t entries, std::uint16_t index = 0, std::uint16_t flags = indirect, std::uint16_t next = 0) {
    describe(index, table, 16 * entries, flags, next);
  }
  void entry(std::uint16_t index, std::uint64_t address, std::uint32_t length, std::uint16_t flags,
             std::uint16_t next = 0) {
    describe_at(table, index, address, length, flags, next);
  }
  void go(std::uint16_t head = 0) {
    make_available(head);
    notify();
    run();
  }
  std::uint32_t used_length(unsigned slot = 0) const { return memory.get<std::uint32_t>(device + 8 + 8u * slot); }
};

TEST(VirtioIndirect, TheBuffersOfATableAreFilledInTheOrderOfTheChain) {
  IndirectGuest g;
  g.refer(3);
  g.entry(0, Guest::buffers, 10, writable | more, 2);
  g.entry(2, Guest::buffers + 0x1000, 22, writable | more, 1);
  g.entry(1, Guest::buffers + 0x2000, 5, writable);
  g.go();
  EXPECT_EQ(g.memory.text(Guest::buffers, 10) + g.memory.text(Guest::buffers + 0x1000, 22) +
                g.memory.text(Guest::buffers + 0x2000, 5),
            g.rng.stream_of_marks().text(0, 37));
  EXPECT_EQ(g.used_length(), 37u);
}

TEST(VirtioIndirect, ItIsTheDescriptorInTheRingThatIsGivenBack) {
  IndirectGuest g;
  g.refer(2, 9);
  g.entry(0, Guest::buffers, 8, writable | more, 1);
  g.entry(1, Guest::buffers + 8, 8, writable);
  g.go(9);
  EXPECT_EQ(g.used(), 1u);
  EXPECT_EQ(g.memory.get<std::uint32_t>(Guest::device + 4), 9u);
}

TEST(VirtioIndirect, ATableCanFollowDescriptorsInTheRing) {
  IndirectGuest g;
  g.describe(3, Guest::buffers, 8, writable | more, 4);
  g.refer(1, 4);
  g.entry(0, Guest::buffers + 8, 24, writable);
  g.go(3);
  EXPECT_EQ(g.memory.text(Guest::buffers, 32), g.rng.stream_of_marks().text(0, 32));
}

TEST(VirtioIndirect, ThatATableIsSaidToBeWritableIsIgnored) {
  IndirectGuest g;
  g.refer(1, 0, indirect | writable);
  g.entry(0, Guest::buffers, 8, writable);
  g.go();
  EXPECT_EQ(g.used_length(), 8u);
  EXPECT_EQ(g.memory.get<std::uint64_t>(table), Guest::buffers) << "nothing is written over it";
}

TEST(VirtioIndirect, ATableHoldsAsManyBuffersAsTheQueueHasEntries) {
  IndirectGuest g;
  g.refer(Guest::size);
  for (std::uint16_t i = 0; i < Guest::size; ++i) {
    const bool last = i + 1 == Guest::size;
    g.entry(i, Guest::buffers + 8u * i, 8, last ? writable : writable | more, static_cast<std::uint16_t>(i + 1));
  }
  g.go();
  EXPECT_EQ(g.used_length(), 8u * Guest::size);
}

TEST(VirtioIndirect, OnlyTheChainOfALongTableIsRead) {
  IndirectGuest g;
  g.describe(0, table, 16 * 0x800'0000u, indirect);
  g.entry(0, Guest::buffers, 8, writable | more, 0x100);
  g.entry(0x100, Guest::buffers + 8, 8, writable);
  const unsigned before = g.memory.requests;
  g.go();
  EXPECT_EQ(g.used_length(), 16u);
  EXPECT_LT(g.memory.requests - before, 14u);
}

TEST(VirtioIndirect, ATableGoesThroughTheSmmuLikeARing) {
  IndirectGuest g;
  g.refer(1);
  g.entry(0, Guest::buffers, 8, writable);
  g.go();
  for (const std::uint32_t stream : g.memory.streams) {
    EXPECT_EQ(stream, 0x900u);
  }
  EXPECT_EQ(g.rng.dma_counters().bytes_read, 2u + 2 + 16 + 16 + 2 + 2) << "index, slot, two descriptors, flags, index";
}

// --- tables that are wrong

struct BadTable {
  const char* name;
  void (*build)(IndirectGuest&);
  RingFault fault;
};

void PrintTo(const BadTable& bad, std::ostream* out) { *out << bad.name; }

class BadTables : public testing::TestWithParam<BadTable> {};

TEST_P(BadTables, NeedAReset) {
  IndirectGuest g;
  GetParam().build(g);
  const unsigned before = g.memory.requests;
  g.go();
  EXPECT_EQ(g.rng.ring_fault(), GetParam().fault);
  EXPECT_NE(g.status() & virtio::needs_reset, 0);
  EXPECT_EQ(g.used(), 0u);
  EXPECT_EQ(g.rng.delivered().bytes, 0u);
  EXPECT_LE(g.memory.requests - before, 2u + Guest::size + 1) << "bounded";
}

const BadTable bad_tables[] = {
    {"InAnother",
     [](IndirectGuest& g) {
       g.refer(1);
       g.entry(0, table, 16, indirect);
     },
     RingFault::flags},
    {"WithMoreOfTheChainBehindIt",
     [](IndirectGuest& g) {
       g.refer(1, 0, indirect | more, 1);
       g.entry(0, Guest::buffers, 8, writable);
       g.describe(1, Guest::buffers + 8, 8, writable);
     },
     RingFault::flags},
    {"AReadableBufferAfterAWritableOne",
     [](IndirectGuest& g) {
       g.refer(2);
       g.entry(0, Guest::buffers, 8, writable | more, 1);
       g.entry(1, Guest::buffers + 8, 8, 0);
     },
     RingFault::flags},
    {"AReadableBufferAfterAWritableOneInTheRing",
     [](IndirectGuest& g) {
       g.describe(0, Guest::buffers, 8, writable | more, 1);
       g.refer(1, 1);
       g.entry(0, Guest::buffers + 8, 8, 0);
     },
     RingFault::flags},
    {"Empty", [](IndirectGuest& g) { g.refer(0); }, RingFault::length},
    {"OfOneDescriptorAndAHalf", [](IndirectGuest& g) { g.describe(0, table, 24, indirect); }, RingFault::length},
    {"OfHalfADescriptor", [](IndirectGuest& g) { g.describe(0, table, 8, indirect); }, RingFault::length},
    {"ThatWraps", [](IndirectGuest& g) { g.describe(0, ~0ULL - 15, 32, indirect); }, RingFault::length},
    {"NextBehindItsEnd",
     [](IndirectGuest& g) {
       g.refer(2);
       g.entry(0, Guest::buffers, 8, writable | more, 2);
       g.entry(2, Guest::buffers + 8, 8, writable);
     },
     RingFault::descriptor},
    {"ALoop",
     [](IndirectGuest& g) {
       g.refer(2);
       g.entry(0, Guest::buffers, 8, writable | more, 1);
       g.entry(1, Guest::buffers, 8, writable | more, 0);
     },
     RingFault::loop},
    {"MoreBuffersThanTheQueueHasEntriesTogetherWithTheRing",
     [](IndirectGuest& g) {
       g.describe(0, Guest::buffers, 8, writable | more, 1);
       g.refer(Guest::size, 1);
       for (std::uint16_t i = 0; i < Guest::size; ++i) {
         const bool last = i + 1 == Guest::size;
         g.entry(i, Guest::buffers, 8, last ? writable : writable | more, static_cast<std::uint16_t>(i + 1));
       }
     },
     RingFault::loop},
    {"AnEmptyBuffer",
     [](IndirectGuest& g) {
       g.refer(1);
       g.entry(0, Guest::buffers, 0, writable);
     },
     RingFault::length},
    {"Unmapped",
     [](IndirectGuest& g) {
       g.refer(1);
       g.memory.unmap(table);
     },
     RingFault::access},
};

INSTANTIATE_TEST_SUITE_P(Virtio, BadTables, testing::ValuesIn(bad_tables),
                         [](const auto& test) { return test.param.name; });

// Any ring and any table: the chain is given back, or the driver has to reset the device, after a bounded number of
// requests.
TEST(VirtioIndirect, NoRingKeepsTheDeviceBusy) {
  hosted::Random random{20277};
  const auto pick = [&](std::initializer_list<std::uint64_t> values) {
    return values.begin()[random.below(static_cast<std::uint32_t>(values.size()))];
  };
  constexpr unsigned for_descriptors = 2 + Guest::size + 1;
  constexpr unsigned for_buffers = Guest::size + VirtioRng::longest_delivery / 4096;
  constexpr unsigned for_the_end = 8;
  Guest g;
  unsigned served = 0, broken = 0;
  for (unsigned round = 0; round < 4000; ++round) {
    g.set_status(0);
    g.available = 0;
    g.memory.put<std::uint16_t>(Guest::driver + 2, 0);
    g.memory.put<std::uint16_t>(Guest::device + 2, 0);
    g.start(pick({virtio::indirect_desc, virtio::indirect_desc | virtio::event_idx, 0}));
    for (const std::uint64_t in : {Guest::descriptors, table}) {
      for (std::uint16_t i = 0; i < 4; ++i) {
        g.describe_at(in, i, pick({Guest::buffers, Guest::buffers, table, FakeMaster::size - 8, ~0ULL - 15}),
                      static_cast<std::uint32_t>(pick({8, 8, 64, 32, 24, 0, ~0U})),
                      static_cast<std::uint16_t>(pick({0, writable, writable | more, more, indirect, indirect, 7})),
                      static_cast<std::uint16_t>(pick({0, 1, 2, 3, Guest::size, 0xffff})));
      }
    }
    const unsigned before = g.memory.requests;
    g.make_available(static_cast<std::uint16_t>(pick({0, 1, 2, 3, Guest::size})));
    g.notify();
    g.run();
    const bool reset_needed = (g.status() & virtio::needs_reset) != 0;
    ASSERT_LE(g.memory.requests - before, for_descriptors + for_buffers + for_the_end) << round;
    ASSERT_NE(reset_needed, g.used() == 1) << round;
    ASSERT_EQ(reset_needed, g.rng.ring_fault() != RingFault::none) << round;
    served += reset_needed ? 0 : 1;
    broken += reset_needed ? 1 : 0;
  }
  EXPECT_GT(served, 200u);
  EXPECT_GT(broken, 200u);
}

TEST(VirtioIndirect, WithoutTheFeatureThereIsNoTable) {
  Guest g;
  g.start(virtio::event_idx);
  g.describe(0, table, 16, indirect);
  g.describe_at(table, 0, Guest::buffers, 8, writable);
  g.make_available(0);
  g.notify();
  g.run();
  EXPECT_EQ(g.rng.ring_fault(), RingFault::flags);
}

} // namespace
} // namespace sluice::pcie

#include "virtio_guest.hpp"

#include <gtest/gtest.h>

namespace sluice::pcie {
namespace {

TEST(VirtioRng, FillsABufferWithItsMarks) {
  Guest g;
  g.start();
  g.offer();
  g.run();
  EXPECT_EQ(g.used(), 1u);
  EXPECT_EQ(g.memory.get<std::uint32_t>(Guest::device + 4), 0u) << "the head";
  EXPECT_EQ(g.memory.get<std::uint32_t>(Guest::device + 8), 64u) << "the length";
  EXPECT_EQ(g.memory.text(Guest::buffers, 64), "SLUICE test.... 000000000000000\nSLUICE test.... 000000000000001\n");
}

TEST(VirtioRng, EachBufferGoesOnWhereTheOneBeforeEnded) {
  Guest g;
  g.start();
  g.offer(40);
  g.run();
  g.offer(40);
  g.run();
  EXPECT_EQ(g.memory.text(Guest::buffers, 40), g.rng.stream_of_marks().text(40, 40));
}

TEST(VirtioRng, CountsAndDigestsWhatWasDelivered) {
  Guest g;
  g.start();
  g.offer(100);
  g.run();
  const std::string all = g.memory.text(Guest::buffers, 100);
  Digest digest;
  digest.add(std::as_bytes(std::span{all}));
  const Delivered d = g.rng.delivered();
  EXPECT_EQ(d.bytes, 100u);
  EXPECT_EQ(d.buffers, 1u);
  EXPECT_EQ(d.digest, digest.value());
}

TEST(VirtioRng, FillsTheWritableBuffersOfAChainInOrder) {
  Guest g;
  g.start();
  g.describe(3, Guest::buffers, 10, virtio::descriptor_write | virtio::descriptor_next, 7);
  g.describe(7, Guest::buffers + 0x1000, 22, virtio::descriptor_write);
  g.make_available(3);
  g.notify();
  g.run();
  EXPECT_EQ(g.memory.text(Guest::buffers, 10) + g.memory.text(Guest::buffers + 0x1000, 22),
            g.rng.stream_of_marks().text(0, 32));
  EXPECT_EQ(g.memory.get<std::uint32_t>(Guest::device + 4), 3u);
  EXPECT_EQ(g.memory.get<std::uint32_t>(Guest::device + 8), 32u);
}

TEST(VirtioRng, TakesEverythingThatIsAvailable) {
  Guest g;
  g.start();
  for (std::uint16_t i = 0; i < Guest::size; ++i) {
    g.describe(i, Guest::buffers + 64u * i, 64, virtio::descriptor_write);
    g.make_available(i);
  }
  g.notify();
  g.run();
  EXPECT_EQ(g.used(), Guest::size);
  EXPECT_EQ(g.rng.delivered().bytes, 64u * Guest::size);
}

TEST(VirtioRng, OneRunServesAtMostOneQueueOfBuffers) {
  Guest g;
  g.start();
  for (std::uint16_t i = 0; i < Guest::size; ++i) {
    g.describe(0, Guest::buffers, 1, virtio::descriptor_write);
    g.make_available(0);
  }
  g.notify();
  EXPECT_TRUE(g.rng.run(g.memory)) << "it has not seen the end";
  EXPECT_FALSE(g.rng.run(g.memory));
}

TEST(VirtioRng, TheRingGoesRound) {
  Guest g;
  g.start();
  for (unsigned i = 0; i < 200; ++i) {
    g.offer();
    g.run();
  }
  EXPECT_EQ(g.used(), 200u);
  EXPECT_EQ(g.memory.get<std::uint32_t>(Guest::device + 8 + 8u * (199 % Guest::size)), 64u);
}

TEST(VirtioRng, AHugeBufferIsUsedInPart) {
  Guest g;
  g.start();
  g.describe(0, Guest::buffers, ~0u, virtio::descriptor_write);
  g.make_available(0);
  g.notify();
  g.run();
  EXPECT_EQ(g.memory.get<std::uint32_t>(Guest::device + 8), VirtioRng::longest_delivery);
}

TEST(VirtioRng, ReadableBuffersAreSkipped) {
  Guest g;
  g.start();
  g.describe(0, Guest::buffers, 64, virtio::descriptor_next, 1);
  g.describe(1, Guest::buffers + 64, 64, virtio::descriptor_write);
  g.make_available(0);
  g.notify();
  g.run();
  EXPECT_EQ(g.memory.get<std::uint32_t>(Guest::device + 8), 64u);
  EXPECT_EQ(g.memory.get<std::uint64_t>(Guest::buffers), 0u);
}

TEST(VirtioRng, EveryRequestHasItsStreamID) {
  Guest g;
  g.start();
  g.offer();
  g.run();
  ASSERT_GT(g.memory.streams.size(), 5u);
  for (const std::uint32_t stream : g.memory.streams) {
    EXPECT_EQ(stream, 0x900u);
  }
}

TEST(VirtioRng, CountsRequestsByWhatBecameOfThem) {
  Guest g;
  g.start();
  g.offer();
  g.run();
  const DmaCounters c = g.rng.dma_counters();
  EXPECT_EQ(c.reads, 5u) << "index, ring, descriptor, flags, index again";
  EXPECT_EQ(c.writes, 3u) << "buffer, element, index";
  EXPECT_EQ(c.bytes_read, 2u + 2 + 16 + 2 + 2);
  EXPECT_EQ(c.bytes_written, 64u + 8 + 2);
  EXPECT_EQ(c.served, 8u);
  EXPECT_EQ(c.faulted, 0u);
  EXPECT_EQ(c.served, g.memory.requests);
}

TEST(VirtioRng, AWatchSeesEveryRequest) {
  struct Watch final : DmaWatch {
    void on_dma(const DmaRecord& record) override { seen.push_back(record); }
    std::vector<DmaRecord> seen;
  } watch;
  Guest g;
  g.rng.watch(&watch);
  g.start();
  g.offer();
  g.run();
  ASSERT_EQ(watch.seen.size(), 8u);
  EXPECT_EQ(watch.seen[3].iova, Guest::buffers);
  EXPECT_EQ(watch.seen[3].size, 64u);
  EXPECT_TRUE(watch.seen[3].write);
}

TEST(VirtioRng, NothingHappensWithoutBusMasterEnable) {
  Guest g;
  g.start();
  g.rng.config_write(config::command, 2, config::command_memory_space);
  g.offer();
  EXPECT_FALSE(g.rng.pending());
  g.run();
  EXPECT_EQ(g.memory.requests, 0u);
  EXPECT_EQ(g.status() & virtio::needs_reset, 0);
}

TEST(VirtioRng, WhatWaitedForBusMasterEnableIsDoneThen) {
  struct Count final : Worker {
    void on_work() override { ++calls; }
    unsigned calls{};
  } worker;
  Guest g;
  g.rng.set_worker(&worker);
  g.start();
  g.rng.config_write(config::command, 2, config::command_memory_space);
  g.offer();
  EXPECT_EQ(worker.calls, 0u);
  g.enable_bus_master();
  EXPECT_EQ(worker.calls, 1u);
  g.run();
  EXPECT_EQ(g.used(), 1u);
}

TEST(VirtioRng, NothingHappensBeforeDriverOk) {
  Guest g;
  g.enable_bus_master();
  g.accept_features();
  g.set_queue();
  g.offer();
  g.run();
  EXPECT_EQ(g.memory.requests, 0u);
}

TEST(VirtioRng, NothingHappensAfterAReset) {
  Guest g;
  g.start();
  g.offer();
  g.set_status(0);
  g.run();
  EXPECT_EQ(g.memory.requests, 0u);
}

TEST(VirtioRng, StartsAgainAfterAReset) {
  Guest g;
  g.start();
  g.offer();
  g.run();
  g.set_status(0);
  g.available = 0;
  g.memory.put<std::uint16_t>(Guest::driver + 2, 0);
  g.start();
  g.offer();
  g.run();
  EXPECT_EQ(g.used(), 1u);
  EXPECT_EQ(g.memory.text(Guest::buffers, 64), g.rng.stream_of_marks().text(64, 64)) << "its marks go on";
}

TEST(VirtioRng, AnotherQueuesNotificationIsNotHeard) {
  Guest g;
  g.start();
  g.rng.region_write(0, VirtioRng::notify_at, 2, 1);
  g.rng.region_write(0, VirtioRng::notify_at + VirtioRng::notify_multiplier, 2, 0);
  EXPECT_FALSE(g.rng.pending());
}

// --- rings that are wrong: the driver has to reset the device, and nothing else happens.

struct BadRing {
  const char* name;
  void (*build)(Guest&);
  RingFault fault;
};

void PrintTo(const BadRing& ring, std::ostream* out) { *out << ring.name; }

class BadRings : public testing::TestWithParam<BadRing> {};

TEST_P(BadRings, NeedAReset) {
  Guest g;
  g.start();
  GetParam().build(g);
  g.notify();
  g.run();
  EXPECT_EQ(g.rng.ring_fault(), GetParam().fault);
  EXPECT_NE(g.status() & virtio::needs_reset, 0);
  EXPECT_EQ(g.isr(), virtio::isr_configuration) << "the driver is told";
  EXPECT_EQ(g.rng.delivered().bytes, 0u);
  EXPECT_LT(g.memory.requests, 4u * Guest::size) << "bounded";

  const unsigned before = g.memory.requests;
  g.notify();
  g.run();
  EXPECT_EQ(g.memory.requests, before) << "it has stopped";

  g.set_status(0);
  EXPECT_EQ(g.status(), 0);
  EXPECT_EQ(g.rng.ring_fault(), RingFault::none);
}

constexpr std::uint16_t w = virtio::descriptor_write;
constexpr std::uint16_t n = virtio::descriptor_next;

const BadRing bad_rings[] = {
    {"TooManyAvailable", [](Guest& g) { g.memory.put<std::uint16_t>(Guest::driver + 2, Guest::size + 1); },
     RingFault::index},
    {"HeadOutsideTheTable", [](Guest& g) { g.make_available(Guest::size); }, RingFault::descriptor},
    {"NextOutsideTheTable",
     [](Guest& g) {
       g.describe(0, Guest::buffers, 8, w | n, Guest::size);
       g.make_available(0);
     },
     RingFault::descriptor},
    {"ALoop",
     [](Guest& g) {
       g.describe(0, Guest::buffers, 8, w | n, 1);
       g.describe(1, Guest::buffers, 8, w | n, 0);
       g.make_available(0);
     },
     RingFault::loop},
    {"ALoopOfItself",
     [](Guest& g) {
       g.describe(0, Guest::buffers, 8, n, 0);
       g.make_available(0);
     },
     RingFault::loop},
    {"AnIndirectTable",
     [](Guest& g) {
       g.describe(0, Guest::buffers, 16, virtio::descriptor_indirect);
       g.make_available(0);
     },
     RingFault::flags},
    {"ReadableAfterWritable",
     [](Guest& g) {
       g.describe(0, Guest::buffers, 8, w | n, 1);
       g.describe(1, Guest::buffers, 8, 0);
       g.make_available(0);
     },
     RingFault::flags},
    {"AnEmptyBuffer",
     [](Guest& g) {
       g.describe(0, Guest::buffers, 0, w);
       g.make_available(0);
     },
     RingFault::length},
    {"ABufferThatWraps",
     [](Guest& g) {
       g.describe(0, ~0ULL - 8, 64, w);
       g.make_available(0);
     },
     RingFault::length},
    {"AnUnmappedDriverArea", [](Guest& g) { g.memory.unmap(Guest::driver); }, RingFault::access},
    {"UnmappedDescriptors",
     [](Guest& g) {
       g.make_available(0);
       g.memory.unmap(Guest::descriptors);
     },
     RingFault::access},
    {"AnUnmappedBuffer",
     [](Guest& g) {
       g.describe(0, Guest::buffers, 64, w);
       g.make_available(0);
       g.memory.unmap(Guest::buffers);
     },
     RingFault::access},
    {"AnUnmappedDeviceArea",
     [](Guest& g) {
       g.describe(0, Guest::buffers, 64, w);
       g.make_available(0);
       g.memory.unmap(Guest::device);
     },
     RingFault::access},
};

INSTANTIATE_TEST_SUITE_P(Virtio, BadRings, testing::ValuesIn(bad_rings),
                         [](const auto& test) { return test.param.name; });

TEST(VirtioRng, AFaultIsCountedByItsKind) {
  Guest g;
  g.start();
  g.describe(0, FakeMaster::size - 16, 64, virtio::descriptor_write);
  g.make_available(0);
  g.notify();
  g.run();
  const DmaCounters c = g.rng.dma_counters();
  EXPECT_EQ(c.faulted, 1u);
  EXPECT_EQ(c.recorded, 1u);
  EXPECT_EQ(c.bytes_written, 16u) << "before the fault";
  EXPECT_EQ(g.used(), 0u) << "not given back";
}

} // namespace
} // namespace sluice::pcie

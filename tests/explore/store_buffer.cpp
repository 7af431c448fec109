#include <sluice/base/atomic.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/hosted/explore.hpp>
#include <sluice/hosted/mmio_order.hpp>

#include <gtest/gtest.h>

namespace sluice::hosted {
namespace {

using base::Order;
using Word = base::Atomic<std::uint64_t>;

constexpr ExploreConfig soon{.seeds = 200};
constexpr ExploreConfig long_enough{.seeds = 1500};

// One thread writes data and says so, the other sees it said and looks at the data.
template <Order Say, bool Publish>
struct Message : ExploreTest {
  static constexpr unsigned threads = 2;
  Word data{0};
  Word said{0};

  void before() override {
    name(&data, "data");
    name(&said, "said");
  }
  void thread(unsigned i) override {
    if (i == 0) {
      data.store(1, Order::relaxed);
      if (Publish) {
        base::dma_publish();
      }
      said.store(1, Say);
    } else {
      while (said.load(Order::acquire) == 0) {
        relax();
      }
      expect(data.load(Order::relaxed) == 1, "what was said is there");
    }
  }
};

TEST(StoreBufferExplore, AMessageWithoutABarrierIsSeenBeforeItsData) {
  const auto found = explore<Message<Order::relaxed, false>>(soon);
  EXPECT_TRUE(found.failed());
  EXPECT_NE(found.report.find("said = 1 reaches memory"), std::string::npos) << found.report;
}

TEST(StoreBufferExplore, AMessageWithReleaseIsSeenAfterItsData) {
  const auto found = explore<Message<Order::release, false>>(long_enough);
  EXPECT_FALSE(found.failed()) << found.report;
  EXPECT_EQ(found.runs, long_enough.seeds);
}

TEST(StoreBufferExplore, AMessageAfterAFenceIsSeenAfterItsData) {
  const auto found = explore<Message<Order::relaxed, true>>(long_enough);
  EXPECT_FALSE(found.failed()) << found.report;
}

// Each thread says that it comes and looks whether the other does.
template <Order Both, bool Fence>
struct Dekker : ExploreTest {
  static constexpr unsigned threads = 2;
  Word comes[2]{};
  Word alone{0};

  void thread(unsigned i) override {
    comes[i].store(1, Both);
    if (Fence) {
      base::full_fence();
    }
    if (comes[1 - i].load(Both) == 0) {
      alone.fetch_add(1);
    }
  }
  void after() override { expect(alone.load() <= 1, "at most one is alone"); }
};

TEST(StoreBufferExplore, TwoStoresPassTheLoadsAfterThemWithoutAFullFence) {
  EXPECT_TRUE((explore<Dekker<Order::relaxed, false>>(soon).failed()));
}

TEST(StoreBufferExplore, AFullFenceKeepsLoadsBehindStores) {
  const auto found = explore<Dekker<Order::relaxed, true>>(long_enough);
  EXPECT_FALSE(found.failed()) << found.report;
}

TEST(StoreBufferExplore, SequentiallyConsistentStoresAndLoadsNeedNoFence) {
  const auto found = explore<Dekker<Order::seq_cst, false>>(long_enough);
  EXPECT_FALSE(found.failed()) << found.report;
}

// Data for a device and a register that says so; the device reads memory at once.
template <bool Publish, bool ReadBack = false>
struct Doorbell : ExploreTest {
  static constexpr unsigned threads = 2;
  Word data{0};
  Word rung{0};

  void before() override {
    name(&data, "data");
    dma(&data, sizeof data);
  }
  void thread(unsigned i) override {
    if (i == 0) {
      data.store(1, Order::relaxed);
      if (Publish) {
        base::dma_publish();
      }
      mmio_store([this] { ring(); });
      if (ReadBack) {
        expect(mmio_load([this] { return rung.load(Order::relaxed); }) == 1, "a read follows the writes before it");
      }
    } else {
      while (rung.load(Order::relaxed) == 0) {
        relax();
      }
    }
  }
  void ring() {
    expect(data.load(Order::relaxed) == 1, "the device sees what it is told of");
    rung.store(1, Order::relaxed);
  }
};

TEST(DeviceExplore, ADoorbellWithoutDmaPublishOvertakesTheData) {
  const auto found = explore<Doorbell<false>>(soon);
  EXPECT_TRUE(found.failed());
  EXPECT_NE(found.report.find("reaches the device"), std::string::npos) << found.report;
}

TEST(DeviceExplore, ADoorbellAfterDmaPublishFindsTheData) {
  const auto found = explore<Doorbell<true>>(long_enough);
  EXPECT_FALSE(found.failed()) << found.report;
}

TEST(DeviceExplore, AReadOfARegisterFollowsTheWritesButNotTheStores) {
  const auto read_back = explore<Doorbell<true, true>>(long_enough);
  EXPECT_FALSE(read_back.failed()) << read_back.report;
  EXPECT_TRUE((explore<Doorbell<false, true>>(soon).failed()));
}

// Hardware that was put together in the thread that uses it later.
struct OwnMemory : ExploreTest {
  static constexpr unsigned threads = 1;
  Word state{0};

  void thread(unsigned) override {
    state.store(1, Order::relaxed);
    mmio_store([this] {
      expect(state.load(Order::relaxed) == 1, "a device finds its own memory as it left it");
      state.store(2, Order::relaxed);
    });
    expect(mmio_load([this] { return state.fetch_add(1, Order::relaxed); }) == 2, "and goes on from there");
    expect(state.load(Order::relaxed) == 3, "and nothing older comes after");
  }
  void after() override { expect(state.load() == 3, "not even in the end"); }
};

TEST(DeviceExplore, ADeviceThatSharesAThreadKeepsItsOwnMemory) {
  const auto found = explore<OwnMemory>(soon);
  EXPECT_FALSE(found.failed()) << found.report;
}

// A driver that stores and then calls an endpoint which has no thread of its own.
struct CalledEndpoint : ExploreTest {
  static constexpr unsigned threads = 1;
  Word data{0};

  void before() override { dma(&data, sizeof data); }
  void thread(unsigned) override {
    data.store(1, Order::relaxed);
    device_access([this] { expect(data.load(Order::relaxed) == 1, "the endpoint sees the data"); });
  }
};

TEST(DeviceExplore, AnEndpointThatIsCalledSeesOnlyWhatHasReachedMemory) {
  EXPECT_TRUE(explore<CalledEndpoint>(soon).failed());
}

// The object is gone before the store to it leaves; what lies there afterwards is somebody else's.
struct ShortLife : ExploreTest {
  static constexpr unsigned threads = 1;
  alignas(8) std::byte room[8]{};

  void thread(unsigned) override {
    auto* word = new (room) Word{0};
    word->store(1, Order::relaxed);
    word->~Word();
    auto* other = new (room) std::uint64_t{7};
    for (int i = 0; i < 20; ++i) {
      relax();
    }
    expect(*other == 7, "the next owner's memory is its own");
  }
};

TEST(StoreBufferExplore, NoStoreOutlivesItsObject) {
  const auto found = explore<ShortLife>(soon);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct TwoRegisters : ExploreTest {
  static constexpr unsigned threads = 1;
  unsigned last{0};

  void thread(unsigned) override {
    for (unsigned n = 1; n < 20; ++n) {
      mmio_store([this, n] {
        expect(last + 1 == n, "writes arrive as they were made");
        last = n;
      });
    }
  }
  void after() override { expect(last == 19, "all arrive in the end"); }
};

TEST(DeviceExplore, WritesToDevicesKeepTheirOrder) {
  const auto found = explore<TwoRegisters>(soon);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct SameWord : ExploreTest {
  static constexpr unsigned threads = 2;
  Word word{0};

  void thread(unsigned i) override {
    std::uint64_t seen = 0;
    for (std::uint64_t n = 1; n < 20; ++n) {
      if (i == 0) {
        word.store(n, Order::relaxed);
        expect(word.load(Order::relaxed) == n, "a thread sees its own stores");
      } else {
        const auto now = word.load(Order::relaxed);
        expect(now >= seen, "one word never goes back");
        seen = now;
      }
    }
  }
  void after() override { expect(word.load() == 19, "the last store stays"); }
};

TEST(StoreBufferExplore, StoresToOneWordKeepTheirOrder) {
  const auto found = explore<SameWord>(soon);
  EXPECT_FALSE(found.failed()) << found.report;
}

// A mutex of the platform around two plain words that belong together.
struct Guarded : ExploreTest {
  static constexpr unsigned threads = 2;
  platform::Mutex mutex;
  platform::SpinLock spin;
  Word a{0};
  Word b{0};

  void thread(unsigned i) override {
    for (int n = 0; n < 5; ++n) {
      const platform::MutexGuard guard{sync(), mutex};
      const platform::SpinGuard inner{sync(), spin};
      expect(a.load(Order::relaxed) == b.load(Order::relaxed), "nobody is half-way");
      a.store(a.load(Order::relaxed) + i + 1, Order::relaxed);
      b.store(b.load(Order::relaxed) + i + 1, Order::relaxed);
    }
  }
  void after() override { expect(a.load() == 15 && b.load() == 15, "all was added"); }
};

TEST(SyncExplore, TwoThreadsUnderALockNeverMeet) {
  const auto found = explore<Guarded>({.seeds = 1000});
  EXPECT_FALSE(found.failed()) << found.report;
}

// Two threads replace and retire objects while a third reads both.
struct Reclaimed : ExploreTest {
  static constexpr unsigned threads = 3;
  struct Object : platform::Retired {
    Word alive{1};
  };
  struct Place {
    base::Atomic<Object*> now{nullptr};
    Object objects[3];
  };
  Place places[2];

  void before() override {
    for (auto& place : places) {
      place.now.store(&place.objects[0]);
    }
  }
  void thread(unsigned i) override {
    if (i == 2) {
      return look();
    }
    for (unsigned n = 1; n < 3; ++n) {
      auto* old = places[i].now.load(Order::relaxed);
      places[i].now.store(&places[i].objects[n], Order::release);
      old->platform::Retired::free = [](platform::Retired& r) {
        static_cast<Object&>(r).alive.store(0, Order::seq_cst);
      };
      sync().retire(*old);
      sync().reclaim();
    }
  }
  void look() {
    for (int n = 0; n < 4; ++n) {
      const platform::ReadSection section{sync()};
      const Object* found[2] = {places[0].now.load(Order::acquire), places[1].now.load(Order::acquire)};
      for (int again = 0; again < 5; ++again) {
        expect(found[again % 2]->alive.load(Order::relaxed) == 1, "what a reader finds lives until it leaves");
      }
    }
  }
};

TEST(SyncExplore, NothingIsFreedUnderAReader) {
  const auto found = explore<Reclaimed>({.seeds = 2000});
  EXPECT_FALSE(found.failed()) << found.report;
}

struct Embrace : ExploreTest {
  static constexpr unsigned threads = 2;
  platform::Mutex first;
  platform::Mutex second;

  void thread(unsigned i) override {
    const platform::MutexGuard one{sync(), i == 0 ? first : second};
    const platform::MutexGuard two{sync(), i == 0 ? second : first};
  }
};

TEST(SyncExplore, ADeadlockIsReportedWithWhoWaitsForWhom) {
  const auto found = explore<Embrace>(soon);
  ASSERT_TRUE(found.failed());
  EXPECT_NE(found.report.find("thread 0: waits for a mutex of thread 1"), std::string::npos) << found.report;
  EXPECT_NE(found.report.find("thread 1: waits for a mutex of thread 0"), std::string::npos) << found.report;
}

TEST(StoreBufferExplore, ASeedFailsTheSameWayTwice) {
  const auto found = explore<Message<Order::relaxed, false>>(soon);
  ASSERT_TRUE(found.failed());
  const auto again = explore<Message<Order::relaxed, false>>({.first_seed = *found.failing_seed, .seeds = 1});
  EXPECT_EQ(again.report, found.report);
}

} // namespace
} // namespace sluice::hosted

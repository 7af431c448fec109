#include <sluice/hosted/free.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>
#include <sluice/hosted/together.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

namespace sluice::hosted {
namespace {

struct Node : platform::Retired {
  explicit Node(std::atomic<int>& f) : freed{f} {
    free = [](platform::Retired& self) {
      auto& node = static_cast<Node&>(self);
      node.alive.store(0, base::Order::relaxed);
      ++node.freed;
      if (node.delete_it) {
        delete &node;
      }
    };
  }
  std::atomic<int>& freed;
  base::Atomic<std::uint32_t> alive{1};
  bool delete_it{false};
};

class SyncTest : public ::testing::Test {
protected:
  FreeSchedule schedule;
  Sync sync{schedule};
  std::atomic<int> freed{0};
};

TEST_F(SyncTest, ALockCanBeTakenAgainAfterItWasGivenBack) {
  platform::Mutex mutex;
  platform::SpinLock spin;
  for (int i = 0; i < 2; ++i) {
    const platform::MutexGuard outer{sync, mutex};
    const platform::SpinGuard inner{sync, spin};
  }
  EXPECT_EQ(mutex.state.load(), 0U);
  EXPECT_EQ(spin.state.load(), 0U);
}

TEST_F(SyncTest, ReclaimFreesAllThatIsRetired) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 10; ++i) {
    nodes.push_back(std::make_unique<Node>(freed));
    sync.retire(*nodes.back());
  }
  EXPECT_EQ(freed, 0);
  sync.reclaim();
  EXPECT_EQ(freed, 10);
}

TEST_F(SyncTest, RetiringManyFreesTheOldOnesByItself) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 1000; ++i) {
    nodes.push_back(std::make_unique<Node>(freed));
    sync.retire(*nodes.back());
  }
  EXPECT_GT(freed, 800);
  sync.reclaim();
}

TEST_F(SyncTest, ASectionOfOnesOwnKeepsWhatIsRetiredInIt) {
  Node node{freed};
  std::vector<std::unique_ptr<Node>> others;
  {
    const platform::ReadSection outer{sync};
    sync.retire(node);
    { const platform::ReadSection nested{sync}; }
    for (int i = 0; i < 200; ++i) {
      others.push_back(std::make_unique<Node>(freed));
      sync.retire(*others.back());
    }
    EXPECT_EQ(freed, 0);
  }
  sync.reclaim();
  EXPECT_EQ(freed, 201);
}

TEST_F(SyncTest, AnObjectThatIsFreedMayRetireAnother) {
  struct Chain : platform::Retired {
    Chain(Sync& s, int n) : sync{s}, left{n} {
      free = [](platform::Retired& self) {
        auto& chain = static_cast<Chain&>(self);
        if (chain.left-- > 0) {
          chain.sync.retire(chain);
        }
      };
    }
    Sync& sync;
    int left;
  };
  Chain chain{sync, 3};
  sync.retire(chain);
  sync.reclaim();
  EXPECT_EQ(chain.left, -1);
}

TEST_F(SyncTest, TheEndOfASyncFreesWhatIsLeft) {
  Node node{freed};
  {
    Sync other{schedule};
    other.retire(node);
  }
  EXPECT_EQ(freed, 1);
}

TEST_F(SyncTest, SectionsOfOneSyncHoldUpNoOther) {
  Sync other{schedule};
  Node node{freed};
  const platform::ReadSection section{other};
  sync.retire(node);
  sync.reclaim();
  EXPECT_EQ(freed, 1);
}

using SyncDeathTest = SyncTest;

TEST_F(SyncDeathTest, LockingOnesOwnLockEndsTheProcess) {
  platform::Mutex mutex;
  const platform::MutexGuard guard{sync, mutex};
  EXPECT_DEATH(sync.lock(mutex), "mutex that it holds itself");
}

TEST_F(SyncDeathTest, UnlockingAFreeLockEndsTheProcess) {
  platform::SpinLock spin;
  EXPECT_DEATH(sync.unlock(spin, 0), "does not hold it");
}

TEST_F(SyncDeathTest, AWaitBeyondTheBoundNamesTheHolder) {
  EXPECT_DEATH(
      {
        FreeSchedule impatient{{.block_limit = std::chrono::milliseconds{1}}};
        Sync own{impatient};
        platform::Mutex mutex;
        std::latch held{1};
        impatient.start("the greedy one", [&](const std::stop_token&) {
          own.lock(mutex);
          held.count_down();
          for (;;) {
            impatient.relax();
          }
        });
        held.wait();
        own.lock(mutex);
      },
      "too long for a mutex that the greedy one holds");
}

using SyncThreads = SyncTest;

TEST_F(SyncThreads, UnderAMutexOneThreadAtATimeCounts) {
  platform::Mutex mutex;
  std::uint64_t count = 0;
  together(4, [&](unsigned) {
    for (int i = 0; i < 5000; ++i) {
      const platform::MutexGuard guard{sync, mutex};
      ++count;
    }
  });
  EXPECT_EQ(count, 20000U);
}

TEST_F(SyncThreads, UnderASpinLockOneThreadAtATimeCounts) {
  platform::SpinLock spin;
  std::uint64_t count = 0;
  together(4, [&](unsigned) {
    for (int i = 0; i < 5000; ++i) {
      const platform::SpinGuard guard{sync, spin};
      ++count;
    }
  });
  EXPECT_EQ(count, 20000U);
}

TEST_F(SyncThreads, WhatAReaderFindsLivesUntilItLeaves) {
  base::Atomic<Node*> shared{new Node{freed}};
  std::atomic<bool> over{false};
  std::atomic<int> dead_seen{0};
  together(3, [&](unsigned i) {
    if (i == 0) {
      for (int n = 0; n < 5000; ++n) {
        auto* old = shared.exchange(new Node{freed}, base::Order::acq_rel);
        old->delete_it = true;
        sync.retire(*old);
      }
      over = true;
      return;
    }
    while (!over) {
      const platform::ReadSection section{sync};
      const auto* node = shared.load(base::Order::acquire);
      for (int look = 0; look < 3; ++look) {
        const platform::ReadSection nested{sync};
        dead_seen += node->alive.load(base::Order::relaxed) == 1 ? 0 : 1;
      }
    }
  });
  EXPECT_EQ(dead_seen, 0);
  sync.reclaim();
  EXPECT_EQ(freed, 5000);
  delete shared.load();
}

TEST_F(SyncThreads, ReclaimWaitsForAReaderOfAnotherThread) {
  Node node{freed};
  std::latch inside{1};
  std::atomic<bool> left{false};
  together(2, [&](unsigned i) {
    if (i == 0) {
      sync.read_enter();
      inside.count_down();
      for (int turn = 0; turn < 10000; ++turn) {
        schedule.relax();
      }
      left = true;
      sync.read_exit();
      return;
    }
    inside.wait();
    sync.retire(node);
    sync.reclaim();
    EXPECT_TRUE(left);
    EXPECT_EQ(freed, 1);
  });
}

TEST_F(SyncThreads, SeveralThreadsRetireAndReclaimAtOnce) {
  together(4, [&](unsigned i) {
    for (int n = 0; n < 2000; ++n) {
      auto* node = new Node{freed};
      node->delete_it = true;
      const platform::ReadSection section{sync};
      sync.retire(*node);
    }
    if (i % 2 == 0) {
      sync.reclaim();
    }
  });
  sync.reclaim();
  EXPECT_EQ(freed, 8000);
}

TEST_F(SyncThreads, AThreadThatHasEndedHoldsNothingUp) {
  for (int round = 0; round < 20; ++round) {
    together(3, [&](unsigned) { const platform::ReadSection section{sync}; });
  }
  Node node{freed};
  sync.retire(node);
  sync.reclaim();
  EXPECT_EQ(freed, 1);
}

// Who has unlinked something that the port does not free relies on it.
TEST_F(SyncThreads, ReclaimWaitsForAReaderThoughNothingIsRetired) {
  std::latch inside{1};
  std::atomic<bool> left{false};
  std::thread reader{[&] {
    sync.read_enter();
    inside.count_down();
    for (int i = 0; i < 10'000; ++i) {
      schedule.relax();
    }
    left = true;
    sync.read_exit();
  }};
  inside.wait();
  sync.reclaim();
  EXPECT_TRUE(left);
  reader.join();
}

} // namespace
} // namespace sluice::hosted

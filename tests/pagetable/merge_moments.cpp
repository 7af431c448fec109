#include "rig.hpp"

#include <functional>
#include <utility>

// A merge marks a table, waits for whoever is in it, and replaces it if the mark is still there: what others do during
// that wait.
namespace sluice::pagetable::test {
namespace {

// Locks that tell of the wait.
class WaitSeen final : public platform::Sync {
public:
  explicit WaitSeen(platform::Sync& inner) : inner_{inner} {}
  std::function<void()> on_wait;
  unsigned waits{};

  void lock(platform::Mutex& m) override { inner_.lock(m); }
  void unlock(platform::Mutex& m) override { inner_.unlock(m); }
  platform::IrqState lock(platform::SpinLock& l) override { return inner_.lock(l); }
  void unlock(platform::SpinLock& l, platform::IrqState state) override { inner_.unlock(l, state); }
  void read_enter() override {
    ++inside_;
    inner_.read_enter();
  }
  void read_exit() override {
    inner_.read_exit();
    --inside_;
  }
  void retire(platform::Retired& object) override { inner_.retire(object); }
  void reclaim() override {
    EXPECT_EQ(inside_, 0U) << "who waits for readers is none";
    ++waits;
    if (auto work = std::exchange(on_wait, nullptr)) {
      work();
    }
    inner_.reclaim();
  }

private:
  platform::Sync& inner_;
  unsigned inside_{};
};

class MergeMoments : public testing::Test {
protected:
  MergeMoments() : table{*make(rig.memory, sync, {.resizes = true})} {
    EXPECT_TRUE(complete(table->map(0, block, block - page, rw), block - page)); // by pages, the last one by itself
    EXPECT_TRUE(complete(table->map(block - page, 2 * block - page, page, rw), page));
  }
  base::Progress merge() {
    Gather gather;
    const auto progress = table->merge(0, block, 2, gather);
    table->release(gather);
    return progress;
  }
  bool is_block() const { return table->walk(0)->leaf_size == block; }

  static constexpr std::uint64_t page = 4 * kib, block = 2 * mib;
  Rig rig;
  WaitSeen sync{rig.sync};
  OwnedPageTable table;
};

TEST_F(MergeMoments, WhoIsInTheTableIsWaitedForBeforeItIsReplaced) {
  bool waited = false;
  sync.on_wait = [&] {
    waited = true;
    EXPECT_FALSE(is_block());
  };
  EXPECT_TRUE(complete(merge(), block));
  EXPECT_TRUE(waited);
  EXPECT_TRUE(is_block());
}

TEST_F(MergeMoments, AChangeDuringTheWaitCallsItOffThoughItIsUndone) {
  sync.on_wait = [&] {
    EXPECT_TRUE(complete(unmap(*table, 7 * page, page), page));
    EXPECT_TRUE(complete(table->map(7 * page, block + 7 * page, page, rw), page));
  };
  EXPECT_TRUE(complete(merge(), block));
  EXPECT_FALSE(is_block()) << "whoever makes a change may still be in the table";
  EXPECT_TRUE(complete(merge(), block));
  EXPECT_TRUE(is_block()) << "the next one is not";
}

TEST_F(MergeMoments, ALookDuringTheWaitDoesNotCallItOff) {
  sync.on_wait = [&] { EXPECT_EQ(table->iova_to_phys(7 * page).value_or(0), block + 7 * page); };
  EXPECT_TRUE(complete(merge(), block));
  EXPECT_TRUE(is_block());
}

} // namespace
} // namespace sluice::pagetable::test

#include "rig.hpp"

#include <functional>

// Races that are staged: another thread does its work while this one is in an allocation.
namespace sluice::pagetable::test {
namespace {

class Interrupted final : public platform::Memory {
public:
  explicit Interrupted(platform::Memory& memory) : memory_{memory} {}

  // The n-th allocation from now lets `other` run once it is done.
  void at(unsigned nth, std::function<void()> other) {
    left_ = nth;
    other_ = std::move(other);
  }
  bool ran() const { return left_ == 0; }

  platform::MemoryFacts facts() const override { return memory_.facts(); }
  base::Result<platform::DmaBlock> dma_alloc(std::size_t size, std::size_t align) override {
    auto block = memory_.dma_alloc(size, align);
    interrupt();
    return block;
  }
  void dma_free(platform::DmaBlock block) override { memory_.dma_free(block); }
  std::uint64_t dma_offset() const override { return memory_.dma_offset(); }
  void clean(const void* at, std::size_t size) override { memory_.clean(at, size); }
  void store128(void* at, std::uint64_t low, std::uint64_t high) override { memory_.store128(at, low, high); }
  base::Result<void*> alloc(std::size_t size) override {
    auto at = memory_.alloc(size);
    interrupt();
    return at;
  }
  void free(void* at, std::size_t size) override { memory_.free(at, size); }

private:
  void interrupt() {
    if (left_ != 0 && --left_ == 0) {
      other_();
    }
  }

  platform::Memory& memory_;
  unsigned left_{0};
  std::function<void()> other_;
};

class Races : public testing::Test {
protected:
  Rig rig;
  Interrupted memory{rig.memory};
  OwnedPageTable table = *make(memory, rig.sync, {});
};

TEST_F(Races, ATableThatComesSecondIsFreedAndTheFirstUsed) {
  for (unsigned nth = 1; nth <= 3; ++nth) {
    SCOPED_TRACE(nth);
    table.reset();
    table = *make(memory, rig.sync, {});
    memory.at(nth, [&] { ASSERT_TRUE(table->map(4 * kib, mib, 4 * kib, rw).ok()); });
    EXPECT_TRUE(complete(table->map(0, 0, 4 * kib, rw), 4 * kib));
    EXPECT_TRUE(memory.ran());
    EXPECT_EQ(table->iova_to_phys(0).value_or(1), 0U);
    EXPECT_EQ(table->iova_to_phys(4 * kib).value_or(0), mib);
    EXPECT_EQ(rig.tables_live(), 4U);
  }
}

TEST_F(Races, ABlockThatComesFirstStays) {
  memory.at(3, [&] { ASSERT_TRUE(table->map(0, 2 * mib, 2 * mib, rw).ok()); });
  EXPECT_TRUE(stopped(table->map(4 * kib, 0, 4 * kib, rw), Errc::already_mapped));
  EXPECT_TRUE(memory.ran());
  EXPECT_EQ(table->walk(4 * kib)->leaf_size, 2 * mib);
  EXPECT_EQ(rig.tables_live(), 3U);
}

TEST_F(Races, ATableIsDetachedByOneUnmapOnly) {
  ASSERT_TRUE(table->map(0, 4 * kib, 2 * mib, rw).ok());
  const platform::ReadSection section{rig.sync};
  memory.at(1, [&] { ASSERT_TRUE(complete(unmap(*table, 0, 2 * mib), 2 * mib)); });
  EXPECT_TRUE(stopped(unmap(*table, 0, 2 * mib), Errc::not_mapped));
  EXPECT_TRUE(memory.ran());
}

} // namespace
} // namespace sluice::pagetable::test

#include "rig.hpp"

#include <map>
#include <random>

// Random work on every format, compared with a map of pages and with a walk as hardware makes it.
namespace sluice::pagetable::test {
namespace {

class Model {
public:
  Model(Rig& rig, const Config& config, std::uint64_t seed)
      : random_{seed}, config_{config}, page_{arch::granule_size(config.granule)}, table_{rig.table(config)},
        walker_{rig.arena, *table_} {
    // Where work happens: across the borders of tables of each level, and at both ends.
    const unsigned stride = arch::granule_bits(config.granule) - 3;
    bases_ = {0, (1ULL << config.input_bits) - window()};
    for (unsigned bit = arch::granule_bits(config.granule) + stride; bit < config.input_bits; bit += stride) {
      bases_.push_back((1ULL << bit) - window() / 2);
    }
  }

  void step() {
    std::uint64_t iova = pick_iova();
    const std::uint64_t room = (1ULL << config_.input_bits) - iova;
    std::uint64_t size = std::min(room, pick_size());
    if (config_.resizes && random_() % 2 == 0) {
      iova &= ~(block() - 1);
      size = block();
    }
    switch (random_() % (config_.resizes ? 6 : 4)) {
    case 0:
    case 1:
      return map(iova, size);
    case 2:
    case 3:
      return unmap(iova, size);
    case 4:
      return split(iova, size);
    default:
      return merge();
    }
  }
  std::uint64_t splits() const { return splits_; }
  std::uint64_t merges() const { return merges_; }

  void compare() const {
    for (const auto base : bases_) {
      for (std::uint64_t at = base; at < base + window(); at += page_) {
        const auto wanted = pages_.find(at);
        const auto found = walker_.walk(at + 8);
        const auto said = table_->iova_to_phys(at + 8);
        if (wanted == pages_.end()) {
          ASSERT_FALSE(found.has_value()) << std::hex << at;
          ASSERT_EQ(said.error(), Errc::not_mapped);
        } else {
          ASSERT_EQ(found.value().pa, wanted->second + 8) << std::hex << at;
          ASSERT_EQ(said.value_or(0), wanted->second + 8);
        }
      }
    }
  }

private:
  std::uint64_t window() const {
    return std::min<std::uint64_t>(page_ * arch::table_entries(config_.granule) * 2, 1ULL << (config_.input_bits - 1));
  }
  std::uint64_t pick_iova() {
    const auto base = bases_[random_() % bases_.size()];
    const auto at = base + random_() % (window() / page_) * page_;
    return random_() % 4 == 0 ? at & ~(block() - 1) : at;
  }
  std::uint64_t pick_size() {
    switch (random_() % 4) {
    case 0:
      return page_;
    case 1:
      return (1 + random_() % 40) * page_;
    case 2:
      return block();
    default:
      return (1 + random_() % (2 * block() / page_)) * page_;
    }
  }
  std::uint64_t block() const { return page_ * arch::table_entries(config_.granule); }

  void map(std::uint64_t iova, std::uint64_t size) {
    std::uint64_t pa = random_() % (1ULL << 31) / page_ * page_;
    pa = random_() % 2 == 0 ? (pa & ~(block() - 1)) | (iova & (block() - 1)) : pa;
    if (config_.resizes && random_() % 8 != 0) { // so that leaves go on
      pa = iova & ((1ULL << 31) - 1);
      table_->use_blocks(random_() % 2 == 0);
    }
    const auto progress = table_->map(iova, pa, size, rw);
    std::uint64_t done = 0;
    while (done < size && !pages_.contains(iova + done)) {
      pages_[iova + done] = pa + done;
      done += page_;
    }
    // A block in the way of a block ends a map no earlier and no later than a page would.
    ASSERT_EQ(progress.done, done);
    ASSERT_TRUE(done == size ? progress.ok() : progress.status == Errc::already_mapped);
  }

  // These change nothing that a device or a caller could find.
  void split(std::uint64_t iova, std::uint64_t size) {
    Gather gather;
    ASSERT_TRUE(complete(table_->split(iova, size, gather), size));
    splits_ += gather.empty() ? 0 : 1;
    table_->release(gather);
    for (std::uint64_t at = iova; at < iova + size; at += page_) {
      const auto leaf = walker_.walk(at);
      ASSERT_TRUE(!leaf || leaf->leaf_size == page_);
    }
  }
  void merge() {
    const std::uint64_t iova = bases_[random_() % bases_.size()];
    for (std::uint64_t done = 0; done < window();) {
      Gather gather;
      const auto progress = table_->merge(iova + done, window() - done, 2, gather);
      ASSERT_TRUE(progress.ok() ? progress.done != 0 : progress.status == Errc::invalid_argument) << "no blocks";
      merges_ += gather.empty() ? 0 : 1;
      table_->release(gather);
      done += progress.ok() ? progress.done : window();
    }
  }

  // Without Config::resizes blocks are unmapped whole, so the model asks what leaf is there.
  void unmap(std::uint64_t iova, std::uint64_t size) {
    Errc why{};
    std::uint64_t done = 0;
    std::vector<std::uint64_t> gone;
    while (done < size) {
      const auto leaf = walker_.walk(iova + done);
      if (!leaf) {
        why = Errc::not_mapped;
        break;
      }
      const std::uint64_t rest = std::min(size - done, leaf->leaf_size - (iova + done) % leaf->leaf_size);
      if (!config_.resizes && rest != leaf->leaf_size) {
        why = Errc::would_split;
        break;
      }
      for (std::uint64_t i = 0; i < rest; i += page_) {
        gone.push_back(iova + done + i);
      }
      done += rest;
    }
    Gather gather;
    const auto progress = table_->unmap(iova, size, gather);
    ASSERT_EQ(progress.done, done);
    ASSERT_TRUE(done == size ? progress.ok() : progress.status == why);
    std::uint64_t invalidated = 0;
    for (const auto& range : gather.ranges()) {
      invalidated += range.size;
    }
    ASSERT_GE(invalidated, done);
    table_->release(gather);
    for (const auto page : gone) {
      ASSERT_EQ(pages_.erase(page), 1U);
    }
  }

  std::mt19937_64 random_;
  Config config_;
  std::uint64_t page_;
  OwnedPageTable table_;
  Walker walker_;
  std::vector<std::uint64_t> bases_;
  std::map<std::uint64_t, std::uint64_t> pages_;
  std::uint64_t splits_{}, merges_{};
};

TEST(RandomWork, AgreesWithAMapOfPagesWhereLeavesChangeTheirSize) {
  std::uint64_t seed = 100, splits = 0, merges = 0;
  for (auto config : formats()) {
    if (config.input_bits < 42) {
      continue;
    }
    config.resizes = true;
    SCOPED_TRACE(testing::Message() << config << ", seed " << seed);
    Rig rig{{.coherent = seed % 2 == 0}};
    Model model{rig, config, seed++};
    for (unsigned i = 0; i < (config.granule == Granule::k4 ? 150U : 40U); ++i) {
      model.step();
      if (testing::Test::HasFatalFailure()) {
        return;
      }
    }
    model.compare();
    splits += model.splits();
    merges += model.merges();
  }
  EXPECT_GT(splits, 10U);
  EXPECT_GT(merges, 10U);
}

TEST(RandomWork, AgreesWithAMapOfPages) {
  std::uint64_t seed = 1;
  for (const auto& config : formats()) {
    SCOPED_TRACE(testing::Message() << config << ", seed " << seed);
    Rig rig;
    Model model{rig, config, seed++};
    for (unsigned round = 0; round < 4; ++round) {
      for (unsigned i = 0; i < 60; ++i) {
        model.step();
        if (testing::Test::HasFatalFailure()) {
          return;
        }
      }
      model.compare();
    }
  }
}

TEST(RandomWork, AgreesWhileAllocationsFail) {
  // map() says how far it came; what it says is what is there.
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Rig rig;
    std::mt19937_64 random{seed};
    auto table = rig.table({.input_bits = 39});
    const Walker walker{rig.arena, *table};
    std::map<std::uint64_t, std::uint64_t> mapped; // ranges
    for (std::uint64_t i = 0; i < 40; ++i) {
      rig.memory.fail(1 + random() % 4, random() % 3);
      const std::uint64_t iova = i * 16 * mib + random() % 512 * 4 * kib;
      const std::uint64_t size = (1 + random() % 2048) * 4 * kib;
      const auto progress = table->map(iova, iova + 4 * kib, size, rw);
      if (progress.done != 0) {
        mapped[iova] = progress.done;
        ASSERT_TRUE(walker.walk(iova + progress.done - 1).has_value());
      }
      ASSERT_EQ(progress.done < size, progress.status == Errc::no_memory);
      ASSERT_FALSE(progress.done < size && walker.walk(iova + progress.done).has_value());
    }
    for (const auto& [iova, size] : mapped) {
      ASSERT_TRUE(complete(unmap(*table, iova, size), size)); // allocations still fail now and then
      ASSERT_FALSE(walker.walk(iova).has_value());
    }
    rig.memory.fail(0);
  }
}

} // namespace
} // namespace sluice::pagetable::test

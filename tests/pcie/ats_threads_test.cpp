#include "ats_rig.hpp"

#include <sluice/hosted/random.hpp>

#include <thread>

namespace sluice::pcie {
namespace {

constexpr unsigned shared_pages = 4;
constexpr std::uint64_t shared_iova = 0x40'0000;
constexpr std::uint64_t first_frame = 0x60'0000;
constexpr unsigned frame_count = 64;
constexpr std::uint64_t poison = 0xdead'dead'dead'dead;

class AtsThreads : public testing::Test, public AtsEngine {
protected:
  AtsThreads() : AtsEngine{AtsEngine::config(3)} { enable_ats(); }

  std::uint64_t frame(unsigned n) const { return first_frame + n * 0x1000ULL; }
  // 4.5.1: translation, TLBI, CMD_SYNC, CMD_ATC_INV, CMD_SYNC
  bool change(unsigned page, unsigned to) {
    const std::uint64_t iova = shared_iova + page * 0x1000ULL;
    rig.map(tree, iova, frame(to), model::test::s1_rw);
    rig.submit(arch::cmd::tlbi_nsnh_all());
    rig.submit(arch::cmd::sync());
    rig.submit(arch::cmd::atc_inv(sid, iova, 0));
    rig.submit(arch::cmd::sync());
    return platform::wait_until(rig.time, 20'000'000, [&] { return rig.drained(); });
  }
};

// Frames that are out of use are poisoned after the second CMD_SYNC: nobody reads the poison, and nobody writes over
// it.
TEST_F(AtsThreads, AfterTheSecondSYNCNothingOldIsUsed) {
  unsigned where[shared_pages];
  for (unsigned p = 0; p < shared_pages; ++p) {
    where[p] = p;
    rig.map(tree, shared_iova + p * 0x1000, frame(p), model::test::s1_rw);
  }
  for (unsigned f = 0; f < frame_count; ++f) {
    rig.ram.put(frame(f), f < shared_pages ? 1 : poison);
  }
  base::Atomic<bool> stop{false};
  base::Atomic<std::uint64_t> poisoned{0}, aborted{0}, done{0};
  const auto traffic = [&](std::uint64_t seed) {
    model::Port port{*rig.smmu};
    hosted::Random random{seed};
    while (!stop.load()) {
      const std::uint64_t iova = shared_iova + random.below(shared_pages) * 0x1000;
      std::uint64_t value = 2;
      const auto report = random.one_in(2) ? engine.write(port, iova, &value, sizeof value)
                                           : engine.read(port, iova, &value, sizeof value);
      poisoned.fetch_add(value == poison ? 1 : 0);
      aborted.fetch_add(report.complete() ? 0 : 1);
      done.fetch_add(1);
    }
  };
  std::jthread one{traffic, 1};
  std::jthread two{traffic, 2};

  hosted::Random random{3};
  std::vector<unsigned> idle;
  for (unsigned f = shared_pages; f < frame_count; ++f) {
    idle.push_back(f);
  }
  std::uint64_t overwritten = 0;
  bool all_done = true;
  for (unsigned round = 0; round < 800 && all_done; ++round) {
    if (round % 100 == 0) { // on a busy machine the traffic would come when all is over
      const std::uint64_t before = done.load();
      all_done = platform::wait_until(rig.time, 20'000'000, [&] { return done.load() > before + 8; });
    }
    const auto page = static_cast<unsigned>(random.below(shared_pages));
    const unsigned next = idle.front();
    idle.erase(idle.begin());
    overwritten += rig.ram.get(frame(next)) == poison ? 0 : 1;
    rig.ram.put(frame(next), 1);
    all_done = all_done && change(page, next);
    rig.ram.put(frame(where[page]), poison);
    idle.push_back(where[page]);
    where[page] = next;
  }
  stop.store(true);
  one.join();
  two.join();
  EXPECT_TRUE(all_done);
  EXPECT_EQ(poisoned.load(), 0u);
  EXPECT_EQ(overwritten, 0u);
  EXPECT_EQ(aborted.load(), 0u);
  EXPECT_GT(engine.ats()->atc().counters().hits, 0u);
  EXPECT_GT(engine.ats()->atc().counters().invalidated, 0u);
}

} // namespace
} // namespace sluice::pcie

#pragma once

#if defined(SLUICE_EXPLORE)

#include <sluice/hosted/explorer.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace sluice::hosted {

// Something that several threads do, to be tried in many orders: made anew for each. `thread` runs in parallel for
// i = 0 to Test::threads - 1, after before() and ahead of after().
class ExploreTest {
public:
  virtual ~ExploreTest() = default;
  virtual void before() {}
  virtual void thread(unsigned i) = 0;
  virtual void after() {}

protected:
  // What has to hold at this moment; the first that does not is reported with the way that led to it.
  void expect(bool holds, const char* what);
  // One turn of a wait.
  void relax() { run_->time.relax(); }
  platform::Sync& sync() { return run_->sync; }
  platform::Time& time() { return run_->time; }
  Schedule& schedule() { return run_->schedule; }
  // Memory that the devices of the test read.
  void dma(const void* at, std::size_t size) { run_->explorer.dma(at, size); }
  void name(const void* at, std::string text) { run_->explorer.history().name(at, std::move(text)); }

private:
  friend class ExploreRun;
  struct Run {
    SeededSchedule& schedule;
    Explorer& explorer;
    Time time;
    Sync sync;
    std::string failure{};
  };
  Run* run_{};
};

struct ExploreConfig {
  std::uint64_t first_seed{1};
  std::uint64_t seeds{1000};
  std::chrono::milliseconds time_limit{20000}; // in which as many seeds are tried as can be
  std::uint64_t turns_max{200'000};            // of one run
  // Absent: another one for each seed, since what hides behind quick buffers shows with slow ones and the reverse.
  std::optional<ExplorerConfig> explorer{};
};

struct Exploration {
  std::uint64_t runs{};
  std::optional<std::uint64_t> failing_seed{};
  std::string report{}; // the seed, what did not hold, and the last operations up to there

  bool failed() const { return failing_seed.has_value(); }
};

using MakeExploreTest = std::unique_ptr<ExploreTest> (*)();

// Until a seed fails.
Exploration explore(const ExploreConfig& config, unsigned threads, MakeExploreTest make);

template <class Test>
Exploration explore(const ExploreConfig& config = {}) {
  return explore(config, Test::threads, []() -> std::unique_ptr<ExploreTest> { return std::make_unique<Test>(); });
}

} // namespace sluice::hosted

#endif

#if defined(SLUICE_EXPLORE)

#include <sluice/hosted/explore.hpp>

#include <array>
#include <vector>

namespace sluice::hosted {

void ExploreTest::expect(bool holds, const char* what) {
  if (!holds && run_->failure.empty()) {
    run_->failure = std::string{what} + "\n" + run_->explorer.history().text();
  }
}

namespace {

ExplorerConfig config_for(const ExploreConfig& config, std::uint64_t seed) {
  if (config.explorer) {
    return *config.explorer;
  }
  constexpr std::array<std::uint32_t, 4> rates{2, 4, 16, 64};
  Random random{~seed};
  return {.switch_one_in = rates.at(random.below(3)), .leave_one_in = rates.at(random.below(4))};
}

} // namespace

// One seed. Owns its parts on the heap, since threads of a run that is stuck keep referring to them.
class ExploreRun {
public:
  ExploreRun(const ExploreConfig& config, std::uint64_t seed)
      : schedule_{std::make_unique<SeededSchedule>(schedule_config(config, seed))},
        explorer_{std::make_unique<Explorer>(*schedule_, seed ^ 0x5a5a5a5a5a5a5a5a, config_for(config, seed))},
        run_{new ExploreTest::Run{*schedule_, *explorer_, Time{*schedule_}, Sync{*schedule_}}} {}

  // What went wrong, or nothing.
  std::string operator()(unsigned threads, MakeExploreTest make) {
    auto test = make();
    test->run_ = run_.get();
    test->before();
    std::vector<ActorId> actors;
    for (unsigned i = 0; i < threads; ++i) {
      actors.push_back(schedule_->start("thread " + std::to_string(i),
                                        [t = test.get(), i](const std::stop_token&) { t->thread(i); }));
    }
    bool ended = true;
    for (const auto actor : actors) {
      ended = ended && schedule_->join(actor);
    }
    if (!ended) {
      static_cast<void>(test.release());
      static_cast<void>(run_.release());
      return stuck_ + "\n" + explorer_->history().text();
    }
    test->after();
    return run_->failure;
  }

private:
  SeededSchedule::Config schedule_config(const ExploreConfig& config, std::uint64_t seed) {
    SeededSchedule::Config result;
    result.seed = seed;
    result.turns_max = config.turns_max;
    result.on_stuck = [this](const std::string& report) { stuck_ = report; };
    return result;
  }

  std::string stuck_;
  std::unique_ptr<SeededSchedule> schedule_;
  std::unique_ptr<Explorer> explorer_;
  std::unique_ptr<ExploreTest::Run> run_;
};

Exploration explore(const ExploreConfig& config, unsigned threads, MakeExploreTest make) {
  Exploration result;
  const auto end = std::chrono::steady_clock::now() + config.time_limit;
  for (auto seed = config.first_seed; seed - config.first_seed < config.seeds; ++seed) {
    ExploreRun run{config, seed};
    ++result.runs;
    if (const auto failure = run(threads, make); !failure.empty()) {
      result.failing_seed = seed;
      result.report = "seed " + std::to_string(seed) + ": " + failure;
      break;
    }
    if (std::chrono::steady_clock::now() > end) {
      break;
    }
  }
  return result;
}

} // namespace sluice::hosted

#endif

#include <sluice/scenario/main_job.hpp>

#include <sluice/scenario/run_length.hpp>
#include <sluice/scenario/verdict.hpp>

#include <fmt/format.h>

#include <memory>

namespace sluice::scenario {

namespace {

constexpr std::size_t traffic_threads = 2;
constexpr std::size_t streams_per_thread = 3;
// In one leaf of the stream table and in others.
constexpr std::array<std::uint32_t, traffic_threads * streams_per_thread> stream_ids{0x08,  0x10,  0x11,
                                                                                     0x108, 0x1f0, 0x3402};

constexpr std::uint64_t progress_every = 256; // steps
constexpr std::uint64_t steps_max = 1ULL << 40;

machine::Config config_for(const MainJobOptions& options) {
  machine::Config config;
  machine::SmmuConfig& smmu = config.smmus.emplace_back();
  smmu.features.streamid_bits = 16;
  smmu.driver.stream_bits = 16;
  smmu.streams.assign(stream_ids.begin(), stream_ids.end());
  config.port.arena.size = 64 << 20;
  config.port.store_buffers = options.store_buffers;
  config.port.explorer.leave_one_in =
      32; // stores stay longer than the SMMU needs to read what they should have written
  if (options.seeded) {
    config.port.seeded.emplace().seed = options.seed;
  }
  return config;
}

// One run, from machine to verdict.
class MainJob {
public:
  explicit MainJob(const MainJobOptions& options);

  MainJobReport run(const std::function<void(const MainJobProgress&)>& progress);

private:
  void change(const std::function<void(const MainJobProgress&)>& progress);
  bool goes_on(std::uint64_t now) const;
  MainJobProgress progress_at(std::uint64_t now) const;
  void compare_counters();
  void judge_work();

  MainJobOptions options_;
  Findings findings_;
  machine::Machine machine_;
  machine::SmmuNode& node_;
  Site site_;
  hosted::Random random_;
  std::vector<Stream> streams_;
  EventBook events_;
  std::unique_ptr<Changer> changer_;
  Team team_;
  std::uint64_t begin_ns_{};
  MainJobReport report_;
};

MainJob::MainJob(const MainJobOptions& options)
    : options_{options}, machine_{config_for(options)}, node_{machine_.smmu()}, site_{node_.driver(), node_.model(),
                                                                                      machine_.clients(),
                                                                                      machine_.port().time,
                                                                                      machine_.schedule().seeded()},
      random_{options.seed},
      streams_(stream_ids.size()), events_{{stream_ids.begin(), stream_ids.end()}, findings_}, team_{
                                                                                                   machine_.schedule(),
                                                                                                   findings_} {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    streams_[i].index = i;
    streams_[i].endpoint = {&node_.endpoint(i).engine, node_.endpoint(i).device, stream_ids[i]};
  }
  changer_ = std::make_unique<Changer>(site_, streams_, events_, random_.fork(), findings_);
}

MainJobProgress MainJob::progress_at(std::uint64_t now) const {
  return {static_cast<double>(now - begin_ns_) * 1e-9, changer_->counts().replaced_in_all(), changer_->counts().unmaps,
          team_.moved()};
}

bool MainJob::goes_on(std::uint64_t now) const {
  const std::uint64_t replaced = changer_->counts().replaced_in_all();
  const bool enough = options_.changes != 0 && replaced >= options_.changes;
  const double elapsed = static_cast<double>(now - begin_ns_) * 1e-9;
  const bool late = !options_.seeded && long_enough(elapsed, options_.seconds, replaced);
  return !enough && !late && !findings_.any();
}

void MainJob::change(const std::function<void(const MainJobProgress&)>& progress) {
  for (std::uint64_t step = 0; step < steps_max; ++step) {
    const std::uint64_t now = machine_.port().time.now_ns();
    if (!goes_on(now)) {
      return;
    }
    if (progress && step % progress_every == 0) {
      progress(progress_at(now));
    }
    changer_->step();
  }
}

void MainJob::compare_counters() {
  const driver::Counters& driver = report_.driver = node_.driver().counters();
  const model::Counters& smmu = report_.smmu = node_.model().counters();
  report_.commands = {driver.commands, smmu.commands};
  report_.syncs = {driver.syncs, smmu.syncs};
  report_.events = {driver.events, smmu.events_recorded};
  report_.events_expected = events_.expected();
  report_.events_unexpected = events_.unexpected();
  judge_counts(findings_, {{"commands", report_.commands}, {"SYNCs", report_.syncs}, {"events", report_.events}});
  judge_events(findings_, driver, smmu.events_discarded, events_.expected() + events_.unexpected());
  judge_queues(findings_, Rule::queues, driver, smmu.command_errors);
  judge_strays(findings_, node_.strays());
}

// A run that did nothing would hold every rule.
void MainJob::judge_work() {
  const ChangeCounts& changes = report_.changes;
  for (std::size_t from = 0; from < kinds; ++from) {
    for (std::size_t to = 0; to < kinds; ++to) {
      const auto none = [](std::size_t kind) { return static_cast<Kind>(kind) == Kind::process; };
      const bool possible = !none(from) && !none(to) && (from != to || static_cast<Kind>(from) != Kind::identity);
      if (possible && changes.replaced[from][to] == 0) {
        findings_.add(Rule::work, fmt::format("{} was never replaced by {}", name(static_cast<Kind>(from)),
                                              name(static_cast<Kind>(to))));
      }
    }
  }
  if (report_.traffic.during == 0) {
    findings_.add(Rule::work, "no access met a change");
  }
  if (report_.traffic.refused == 0 || changes.unmaps == 0 || changes.reborn == 0) {
    findings_.add(Rule::work, "nothing was unmapped and read again, or no domain was made anew");
  }
}

MainJobReport MainJob::run(const std::function<void(const MainJobProgress&)>& progress) {
  machine_.port().log.set_sink(options_.on_note);
  changer_->attach_all();
  node_.mmio().plant(options_.fault);
  begin_ns_ = machine_.port().time.now_ns();
  team_.start(site_, streams_, traffic_threads, events_, random_);
  change(progress);
  report_.traffic = team_.stop();
  report_.seconds = static_cast<double>(machine_.port().time.now_ns() - begin_ns_) * 1e-9;
  node_.mmio().plant(machine::CommandFault::none);
  report_.spoiled = node_.mmio().spoiled();
  changer_->finish();
  report_.changes = changer_->counts();
  team_.clear(); // and their ports
  const bool cut_short = findings_.any();
  compare_counters();
  changer_.reset();
  report_.remains = machine_.tear_down();
  judge_remains(findings_, report_.remains);
  const bool judged = !cut_short && !options_.store_buffers; // so slow a run needs not meet every kind of change
  if (judged) {
    judge_work();
  }
  report_.checks = judged ? checks_of(findings_, {Rule::stale, Rule::software, Rule::host, Rule::stalls})
                          : checks_of(findings_, {Rule::stale, Rule::software, Rule::host, Rule::stalls, Rule::work});
  report_.seed = options_.seed;
  report_.seeded = options_.seeded;
  return report_;
}

} // namespace

bool MainJobReport::holds() const { return all_hold(checks); }

MainJobReport run_main_job(const MainJobOptions& options, const std::function<void(const MainJobProgress&)>& progress) {
  try {
    return MainJob{options}.run(progress);
  } catch (const machine::DriverRefused& refused) {
    Findings findings;
    findings.add(Rule::queues, refused.what());
    MainJobReport report;
    report.checks = checks_of(findings, {Rule::stale, Rule::software, Rule::host, Rule::stalls, Rule::work});
    report.seed = options.seed;
    report.seeded = options.seeded;
    return report;
  }
}

} // namespace sluice::scenario

#include <sluice/scenario/long_job.hpp>

#include <sluice/arch/names/enums.hpp>
#include <sluice/scenario/verdict.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace sluice::scenario {

namespace {

class LongJob {
public:
  LongJob(const LongJobOptions& options, std::span<const Operation> operations)
      : options_{options}, operations_{operations}, world_{{options.seed, options.actors, options.seeded, true,
                                                            options.adverse, options.on_note},
                                                           findings_} {}

  LongJobReport run();

private:
  void work();
  void ask_detectors();
  void compare_counters();

  const LongJobOptions options_;
  const std::span<const Operation> operations_;
  Findings findings_;
  World world_;
  std::vector<std::unique_ptr<Worker>> workers_;
  LongJobReport report_;
};

void LongJob::work() {
  auto& schedule = world_.machine.schedule();
  std::vector<hosted::ActorId> actors;
  for (std::uint32_t i = 0; i < options_.actors; ++i) {
    workers_.push_back(std::make_unique<Worker>(world_, i));
  }
  for (std::uint32_t i = 1; i < options_.actors; ++i) {
    actors.push_back(schedule.start(fmt::format("worker {}", i), [this, i](const std::stop_token&) {
      workers_[i]->run(operations_);
      workers_[i]->finish();
    }));
  }
  workers_[0]->run(operations_);
  workers_[0]->finish();
  for (const auto actor : actors) {
    if (!schedule.join(actor)) {
      findings_.add(Rule::queues, "a worker hangs");
    }
  }
  for (const auto& worker : workers_) {
    report_.counts += worker->counts();
  }
}

void LongJob::ask_detectors() {
  const auto stale = world_.node.model().stale_uses();
  report_.stale_uses = stale.count;
  for (const model::StaleUse& use : stale.latest) {
    constexpr std::array<std::string_view, 6> kinds{"an L1STD", "an STE",        "an L1CD",
                                                    "a CD",     "a translation", "an ATC's translation"};
    findings_.add(Rule::stale,
                  fmt::format("{} of StreamID {:#x}{} at {:#x}: {:#x} was used, memory holds {}; {} was missing",
                              kinds.at(static_cast<std::size_t>(use.kind)), use.stream_id,
                              use.substream_id ? fmt::format(" SubstreamID {:#x}", *use.substream_id) : "", use.address,
                              use.cached, use.memory ? fmt::format("{:#x}", *use.memory) : "none",
                              arch::names::name_of(use.missing.get(arch::Command::Opcode))));
  }
  for (const model::SoftwareFinding& found : world_.node.model().software_faults()) {
    report_.software_faults += found.count;
    findings_.add(Rule::software, fmt::format("{} times, latest {:#x}: {} ({})", found.count, found.latest,
                                              found.what.sentence, found.what.section));
  }
}

void LongJob::compare_counters() {
  world_.common.driver.poll();
  const driver::Counters& d = report_.driver = world_.common.driver.counters();
  const model::Counters& m = report_.smmu = world_.node.model().counters();
  report_.events = world_.witness.events();
  report_.events_explained = world_.witness.explained();
  report_.guests_events = world_.witness.guests();
  judge_counts(findings_, {{"commands", {d.commands, m.commands}},
                           {"SYNCs", {d.syncs, m.syncs}},
                           {"events", {d.events, m.events_recorded}},
                           {"ATC_INVs", {d.atc_invalidations, m.atc_invalidations}},
                           {"events of guests", {d.events_of_guests, report_.guests_events}},
                           {"pages that were asked for", {d.pages_requested, m.pages_requested}}});
  judge_events(findings_, d, m.events_discarded, report_.events);
  judge_queues(findings_, Rule::queues, d, m.command_errors, m.atc_timeouts);
  judge_strays(findings_, world_.node.strays());
}

LongJobReport LongJob::run() {
  report_.options = options_;
  report_.operations = operations_.size();
  auto& time = world_.machine.port().time;
  world_.node.mmio().plant(options_.fault);
  const std::uint64_t begin = time.now_ns();
  work();
  world_.node.mmio().plant(machine::CommandFault::none);
  report_.spoiled = world_.node.mmio().spoiled();
  report_.seconds = static_cast<double>(time.now_ns() - begin) * 1e-9;
  workers_.clear(); // and their ports
  ask_detectors();
  compare_counters();
  report_.remains = world_.tear_down();
  judge_remains(findings_, report_.remains);
  report_.checks = checks_of(findings_, {Rule::stalls, Rule::host, Rule::work});
  return report_;
}

} // namespace

bool LongJobReport::holds() const { return all_hold(checks); }

const Check* LongJobReport::first_failure() const {
  const auto found = std::ranges::find_if(checks, [](const Check& c) { return !c.holds(); });
  return found != checks.end() ? &*found : nullptr;
}

std::vector<Operation> operations_of(const LongJobOptions& options) {
  return draw_operations(World::size(), options.actors, options.operations, hosted::Random{options.seed});
}

LongJobReport run_operations(const LongJobOptions& options, std::span<const Operation> operations) {
  return LongJob{options, operations}.run();
}

LongJobReport run_long_job(const LongJobOptions& options) { return run_operations(options, operations_of(options)); }

} // namespace sluice::scenario

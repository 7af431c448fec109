#include <sluice/scenario/long_job.hpp>

#include <sluice/arch/names/enums.hpp>

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
  void look_at_remains();

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
  for (const auto& [what, driver, smmu] :
       {std::tuple{"commands", d.commands, m.commands}, std::tuple{"SYNCs", d.syncs, m.syncs},
        std::tuple{"events", d.events, m.events_recorded},
        std::tuple{"ATC_INVs", d.atc_invalidations, m.atc_invalidations},
        std::tuple{"pages that were asked for", d.pages_requested, m.pages_requested},
        std::tuple{"events handed on", report_.events, d.events}}) {
    if (driver != smmu) {
      findings_.add(Rule::counts, fmt::format("{}: {} on the one side, {} on the other", what, driver, smmu));
    }
  }
  if (m.events_discarded + d.event_overflows != 0) {
    findings_.add(Rule::quiet, fmt::format("{} events were lost", m.events_discarded));
  }
  if (d.timeouts + d.command_errors + m.command_errors + d.global_errors + m.atc_timeouts != 0) {
    findings_.add(Rule::queues,
                  fmt::format("{} waits ran out, {} commands were in error, {} global errors, {} endpoints were deaf",
                              d.timeouts, m.command_errors, d.global_errors, m.atc_timeouts));
  }
  if (world_.node.strays() != 0) {
    findings_.add(Rule::bytes,
                  fmt::format("{} accesses of endpoints led to memory that is not theirs", world_.node.strays()));
  }
}

void LongJob::look_at_remains() {
  report_.remains = world_.tear_down();
  const machine::Remains& r = report_.remains;
  if (!r.nothing() || !r.queues_idle) {
    findings_.add(Rule::leaks,
                  fmt::format("{} bytes of endpoints' memory, {} bytes of tables and queues and {} bytes of objects in "
                              "{} blocks are left{}",
                              r.client_bytes, r.driver_dma, r.driver_plain, r.driver_blocks,
                              r.queues_idle ? "" : ", and something in a queue"));
  }
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
  look_at_remains();
  report_.checks = findings_.checks();
  std::erase_if(report_.checks,
                [](const Check& c) { return c.rule == Rule::stalls || c.rule == Rule::host || c.rule == Rule::work; });
  return report_;
}

} // namespace

bool LongJobReport::holds() const { return !checks.empty() && first_failure() == nullptr; }

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

#include <tools/sluice/long.hpp>

#include <sluice/hosted/scratch.hpp>
#include <sluice/scenario/counters_json.hpp>
#include <sluice/scenario/long_job.hpp>
#include <sluice/scenario/shrink.hpp>
#include <tools/sluice/note_file.hpp>
#include <tools/sluice/progress.hpp>
#include <tools/sluice/rows.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

namespace sluice::tool {

namespace {

using Json = nlohmann::ordered_json;
using Operations = std::vector<scenario::Operation>;

constexpr std::uint32_t free_threads = 3;

struct Outcome {
  scenario::LongJobReport report;
  std::optional<scenario::Shrunk> shrunk; // where a run that repeats has failed
};

scenario::LongJobOptions options_for(const LongArguments& arguments) {
  scenario::LongJobOptions options;
  const auto clock = std::chrono::system_clock::now().time_since_epoch();
  options.seed = arguments.seed.value_or(static_cast<std::uint64_t>(clock.count()) % 1'000'000);
  options.seeded = arguments.seed.has_value();
  options.operations = arguments.operations;
  options.actors = arguments.threads.value_or(options.seeded ? 1 : free_threads);
  using machine::CommandFault;
  options.fault = arguments.fault == "tlbi"     ? CommandFault::tlbi
                  : arguments.fault == "cfgi"   ? CommandFault::cfgi
                  : arguments.fault == "sync"   ? CommandFault::sync
                  : arguments.fault == "atc"    ? CommandFault::atc
                  : arguments.fault == "resume" ? CommandFault::resume
                                                : CommandFault::none;
  return options;
}

Operations read_operations(const std::string& path) {
  std::ifstream file{path};
  if (!file) {
    throw hosted::SetupError(path + " cannot be read");
  }
  Operations all;
  for (std::string line; std::getline(file, line);) {
    if (line.find_first_not_of(" \t") >= std::min(line.find('#'), line.size())) {
      continue;
    }
    const auto operation = scenario::parse_operation(line);
    if (!operation) {
      throw hosted::SetupError(fmt::format("{}: '{}' is no operation", path, line));
    }
    all.push_back(*operation);
  }
  return all;
}

std::string text_of(const scenario::LongJobOptions& options, const Operations& operations) {
  std::string text =
      fmt::format("# sluice run long --seed {} --threads {} --replay THIS\n", options.seed, options.actors);
  for (const auto& operation : operations) {
    text += fmt::format("{:<32} # {}\n", scenario::to_text(operation), scenario::World::describe(operation));
  }
  return text;
}

// What fails by the same rule with as few operations as are found.
scenario::Shrunk shorten(const scenario::LongJobOptions& options, const Operations& operations, scenario::Rule rule,
                         std::size_t tries) {
  ProgressLine line;
  const auto fails = [&](const Operations& part) {
    line.show(fmt::format("shrinking: {} operations", part.size()));
    const auto report = scenario::run_operations(options, part);
    return report.first_failure() != nullptr && report.first_failure()->rule == rule;
  };
  return scenario::shrink(operations, fails, tries);
}

std::string table(const Outcome& outcome) {
  const scenario::LongJobReport& r = outcome.report;
  const scenario::LongCounts& c = r.counts;
  std::string out = fmt::format("long run, {} actor(s), {} seed {}\n", r.options.actors,
                                r.options.seeded ? "one at a time in the order of" : "free threads,", r.options.seed);
  row(out, "operations", "{} in {:.3f} s{}", grouped(r.operations), r.seconds,
      r.options.seeded ? " of virtual time" : "");
  std::string kinds;
  for (std::size_t i = 0; i < c.done.size(); ++i) {
    kinds += fmt::format("{}{} {}", i == 0 ? "" : ", ", scenario::name(static_cast<scenario::Operation::Kind>(i)),
                         grouped(c.done[i]));
  }
  row(out, "  done", "{}", kinds);
  row(out, "  attached", "{} in another's place, {} hitless, {} refused as they had to be", grouped(c.replaced),
      grouped(c.hitless), grouped(c.refused_attaches));
  row(out, "  guests", "{} to STEs of guests, {} of these from one STE to the same guest's other", grouped(c.guests),
      grouped(c.guests_stes));
  row(out, "accesses", "{} served, {} refused, {} stalled, {} during a change, {} not judged", grouped(c.served),
      grouped(c.refused), grouped(c.stalled), grouped(c.during), grouped(c.unknown));
  row(out, "pages", "{} asked for by endpoints, {} served", grouped(c.pages_asked), grouped(c.pages_served));
  row(out, "events", "{}, {} of them expected, {} told to guests", grouped(r.events), grouped(r.events_explained),
      grouped(r.guests_events));
  row(out, "processors", "{} broadcasts, {} domains gave their ASIDs to processes", grouped(r.smmu.broadcasts),
      grouped(r.driver.asids_moved));
  row(out, "commands", "{} by the driver, {} by the SMMU, of them {} ATC_INVs and {} SYNCs", grouped(r.driver.commands),
      grouped(r.smmu.commands), grouped(r.driver.atc_invalidations), grouped(r.driver.syncs));
  row(out, "detectors", "{} stale uses, {} faults of software", grouped(r.stale_uses), grouped(r.software_faults));
  verdicts(out, r.checks);
  return out;
}

Json data(const LongArguments& arguments, const Outcome& outcome) {
  const scenario::LongJobReport& r = outcome.report;
  const scenario::LongCounts& c = r.counts;
  Json done = Json::object();
  for (std::size_t i = 0; i < c.done.size(); ++i) {
    done[std::string{scenario::name(static_cast<scenario::Operation::Kind>(i))}] = c.done[i];
  }
  Json all{{"holds", r.holds()},
           {"fault", arguments.fault.empty() ? Json{} : Json(arguments.fault)},
           {"checks", checks_data(r.checks)},
           {"seed", r.options.seed},
           {"repeats", r.options.seeded},
           {"actors", r.options.actors},
           {"operations", r.operations},
           {"seconds", r.seconds},
           {"done", done},
           {"attaches", {{"replaced", c.replaced}, {"hitless", c.hitless}, {"refused", c.refused_attaches}}},
           {"guests", {{"attached", c.guests}, {"between_stes", c.guests_stes}, {"events", r.guests_events}}},
           {"accesses",
            {{"served", c.served},
             {"refused", c.refused},
             {"stalled", c.stalled},
             {"during_a_change", c.during},
             {"not_judged", c.unknown}}},
           {"pages", {{"asked_for", c.pages_asked}, {"served", c.pages_served}}},
           {"events", {{"seen", r.events}, {"expected", r.events_explained}}},
           {"stale_uses", r.stale_uses},
           {"software_faults", r.software_faults},
           {"commands_spoiled", r.spoiled},
           {"driver", scenario::json_of(r.driver)},
           {"smmu", scenario::json_of(r.smmu)}};
  if (outcome.shrunk) {
    Json list = Json::array();
    for (const auto& operation : outcome.shrunk->operations) {
      list.push_back(scenario::to_text(operation));
    }
    all["shrunk"] = {{"operations", list}, {"tries", outcome.shrunk->tries}, {"smallest", outcome.shrunk->smallest}};
  }
  return all;
}

std::string conclusion(const LongArguments& arguments, const Outcome& outcome) {
  const scenario::LongJobReport& r = outcome.report;
  if (r.holds()) {
    return arguments.fault.empty() ? "all checks hold\n"
                                   : fmt::format("the planted fault '{}' was NOT noticed\n", arguments.fault);
  }
  std::string text = arguments.fault.empty() ? fmt::format("FAILED:{}\n", failed_names(r.checks))
                                             : fmt::format("the planted fault '{}' was caught by:{}\n", arguments.fault,
                                                           failed_names(r.checks));
  if (outcome.shrunk) {
    text += fmt::format("{} operations are enough{}:\n{}", outcome.shrunk->operations.size(),
                        outcome.shrunk->smallest ? "" : " (there may be fewer)",
                        text_of(r.options, outcome.shrunk->operations));
  } else {
    text += fmt::format("the same operations one at a time: sluice run long --seed {} --threads {} --ops {}\n",
                        r.options.seed, r.options.actors, r.operations);
  }
  return text;
}

} // namespace

int run_long(const LongArguments& arguments) {
  try {
    NoteFile notes{arguments.log};
    auto options = options_for(arguments);
    options.on_note = notes.sink();
    const Operations operations =
        arguments.replay.empty() ? scenario::operations_of(options) : read_operations(arguments.replay);
    Outcome outcome{scenario::run_operations(options, operations), {}};
    options.on_note = {};
    if (const auto* failure = outcome.report.first_failure(); failure != nullptr && options.seeded) {
      outcome.shrunk = shorten(options, operations, failure->rule, arguments.tries);
      if (!arguments.save.empty()) {
        std::ofstream{arguments.save} << text_of(options, outcome.shrunk->operations);
      }
    }
    fmt::print("{}", arguments.json ? data(arguments, outcome).dump(2) + "\n"
                                    : table(outcome) + conclusion(arguments, outcome));
    return outcome.report.holds() ? 0 : 1;
  } catch (const hosted::SetupError& error) {
    fmt::print(stderr, "sluice: {}\n", error.what());
    return 2;
  }
}

} // namespace sluice::tool

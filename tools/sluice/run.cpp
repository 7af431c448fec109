#include <tools/sluice/run.hpp>

#include <sluice/hosted/scratch.hpp>
#include <tools/sluice/note_file.hpp>
#include <tools/sluice/progress.hpp>
#include <tools/sluice/variant.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace sluice::tool {

namespace {

// So much a seeded run does for each second that was asked for: about what two processors do in it.
constexpr double seeded_changes_per_second = 5000;
constexpr double explored_changes_per_second = 100;
// A missing barrier need not show in every order.
constexpr unsigned explored_seeds = 20;
constexpr double nested_seconds = 2;

machine::CommandFault command_fault(std::string_view fault) {
  return fault == "tlbi"   ? machine::CommandFault::tlbi
         : fault == "cfgi" ? machine::CommandFault::cfgi
         : fault == "sync" ? machine::CommandFault::sync
                           : machine::CommandFault::none;
}

scenario::MainJobOptions options_for(const RunArguments& arguments) {
  scenario::MainJobOptions options;
  options.seconds = arguments.seconds;
  options.fault = command_fault(arguments.fault);
  const auto clock = std::chrono::system_clock::now().time_since_epoch();
  options.seed = arguments.seed.value_or(static_cast<std::uint64_t>(clock.count()) % 1'000'000);
  // A fault in the order of stores shows when others run between them.
  options.seeded = arguments.seed.has_value() || needs_variant(arguments.fault);
  options.store_buffers = arguments.fault == "barrier";
  if (options.seeded) {
    const double rate = options.store_buffers ? explored_changes_per_second : seeded_changes_per_second;
    options.changes = static_cast<std::uint64_t>(arguments.seconds * rate) + 1;
  }
  return options;
}

scenario::MainJobReport run_model(const RunArguments& arguments) {
  NoteFile notes{arguments.log};
  ProgressLine line;
  const auto progress = [&](const scenario::MainJobProgress& p) {
    line.show(fmt::format("1 model: {:5.1f} s, {} changes, {} unmaps, {:.1f} MB moved", p.seconds, p.replaced, p.unmaps,
                          static_cast<double>(p.moved) * 1e-6));
  };
  auto options = options_for(arguments);
  options.on_note = notes.sink();
  auto report = scenario::run_main_job(options, progress);
  const bool other_seeds = options.store_buffers && !arguments.seed;
  for (unsigned tried = 1; other_seeds && tried < explored_seeds && report.holds(); ++tried) {
    ++options.seed;
    report = scenario::run_main_job(options, progress);
  }
  return report;
}

void run_qemu(RunResults& results) {
  if (results.skipped()) {
    results.qemu_absent = results.arguments.no_qemu ? "--no-qemu" : "a fault is planted in the model's machine";
    return;
  }
  ProgressLine line;
  ports::qemu::RunOptions options;
  options.seed = results.model.seed;
  try {
    results.qemu =
        ports::qemu::run_on_qemu(options, [&](const ports::qemu::Check& check) { line.show("2 QEMU: " + check.name); });
  } catch (const std::exception& error) {
    results.qemu_absent = error.what();
  }
}

// Less of it than of the first part, for it shows the same once more. `sluice run nested` has all of it.
void run_in_guest(RunResults& results) {
  if (!results.arguments.fault.empty()) {
    return;
  }
  results.nested_arguments.seconds = std::min(results.arguments.seconds, nested_seconds);
  results.nested_arguments.seed = results.arguments.seed;
  results.nested = run_nested_job(results.nested_arguments);
}

} // namespace

int run(const RunArguments& arguments, char** argv) {
  if (needs_variant(arguments.fault) && arguments.fault != built_with) {
    become_variant(arguments.fault, argv);
    fmt::print(stderr,
               "sluice: this program was not built with the fault '{}'; ./run demo --break {} builds one that was\n",
               arguments.fault, arguments.fault);
    return 2;
  }
  RunResults results;
  results.arguments = arguments;
  try {
    results.model = run_model(arguments);
  } catch (const hosted::SetupError& error) {
    fmt::print(stderr, "sluice: {}\n", error.what());
    return 2;
  }
  run_qemu(results);
  try {
    run_in_guest(results);
  } catch (const hosted::SetupError& error) {
    fmt::print(stderr, "sluice: {}\n", error.what());
    return 2;
  }
  fmt::print("{}", arguments.json ? json(results) : table(results));
  return results.hold() ? 0 : 1;
}

} // namespace sluice::tool

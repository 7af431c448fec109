#include <tools/sluice/diff.hpp>
#include <tools/sluice/exec.hpp>
#include <tools/sluice/long.hpp>
#include <tools/sluice/nested.hpp>
#include <tools/sluice/run.hpp>
#include <tools/sluice/serve.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string_view>

namespace {

CLI::App* add_exec(CLI::App& app, sluice::tool::ExecArguments& arguments) {
  CLI::App* exec =
      app.add_subcommand("exec", "Start a program on a Sluice machine, where it finds /dev/iommu and VFIO devices");
  exec->add_option("--machine", arguments.machine, "The machine, as a JSON file; by default one SMMU with one device");
  exec->add_option("--fd", arguments.given, "A descriptor that is open when the program begins")
      ->type_name("NUMBER=iommu|NUMBER=ADDRESS")
      ->allow_extra_args(false);
  exec->add_option("--record", arguments.record, "Write each call to this file, as a line of JSON");
  exec->add_option("--report", arguments.report, "Write what the machine has done to this file when the program ends");
  exec->add_option("--messages", arguments.messages,
                   "The socket of QEMU's -qtest, which takes messages of devices to the guest's interrupt controller")
      ->type_name("PATH");
  exec->add_option("--without", arguments.without, "Take an operation away from the driver")
      ->check(CLI::IsMember({"cache_invalidate"}));
  exec->add_option("--break", arguments.fault, "Plant a fault")->check(CLI::IsMember({"tlbi", "s1", "s2", "walk"}));
  exec->add_option("--ld-so", arguments.ld_so, "The program's own dynamic loader, if it is not this system's");
  exec->add_option("--library-path", arguments.library_path, "The folders of its libraries, with colons between them");
  exec->add_flag("--verbose", arguments.verbose, "Print the command that is started");
  exec->footer(
      "After -- come the program and its arguments: sluice exec [OPTIONS] -- PROGRAM [ARGUMENTS...]\n"
      "The exit status is the program's; 125: something else was expected, 126: the program cannot be started, "
      "127: there is none.");
  return exec;
}

struct Nested {
  CLI::App* command{};
  CLI::Option* seeded{};
};

Nested add_nested(CLI::App& run, sluice::tool::NestedArguments& arguments, std::uint64_t& seed) {
  CLI::App* nested =
      run.add_subcommand("nested", "The same by a guest's driver, on a virtual SMMU, on this one as host");
  nested->add_flag("--json", arguments.json, "Results as data");
  nested->add_option("--seconds", arguments.seconds, "How long, or with --seed how much, traffic and changes go on")
      ->check(CLI::Range(0.01, 86400.0))
      ->capture_default_str();
  auto* seeded = nested->add_option("--seed", seed, "One thread at a time in an order given by this number");
  nested->add_option("--break", arguments.fault, "Plant a fault, which has to be found")
      ->check(CLI::IsMember({"tlbi", "cfgi", "atc", "s1", "s2", "walk"}));
  nested->add_flag("--alone", arguments.alone, "Without the second guest, which does what no driver does");
  return {nested, seeded};
}

struct Long {
  CLI::App* command{};
  CLI::Option* seeded{};
  CLI::Option* threads{};
};

Long add_long(CLI::App& run, sluice::tool::LongArguments& arguments, std::uint64_t& seed, std::uint32_t& threads) {
  CLI::App* app = run.add_subcommand(
      "long", "Thousands of operations by chance on devices, PASIDs, domains and processes, under traffic with ATS and "
              "stalls, with the model's detectors on");
  app->add_flag("--json", arguments.json, "Results as data");
  app->add_option("--ops", arguments.operations, "How many operations")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000'000}))
      ->capture_default_str();
  auto* seeded = app->add_option("--seed", seed,
                                 "One actor at a time in an order given by this number: repeats exactly, and what "
                                 "fails is made short");
  auto* actors = app->add_option("--threads", threads, "How many actors; by default 1 with --seed, else 3")
                     ->check(CLI::Range(1U, 16U));
  app->add_option("--break", arguments.fault, "Plant a fault, which has to be found")
      ->check(CLI::IsMember({"tlbi", "cfgi", "sync", "atc", "resume"}));
  app->add_option("--replay", arguments.replay, "Do the operations of this file")->type_name("FILE")->needs(seeded);
  app->add_option("--save", arguments.save, "Write the short list of what fails to this file")->type_name("FILE");
  app->add_option("--tries", arguments.tries, "How many runs may be made to find it")->capture_default_str();
  app->add_option("--log", arguments.log, "Write what the driver notes to this file, as lines of JSON")
      ->type_name("FILE");
  return {app, seeded, actors};
}

CLI::App* add_diff(CLI::App& app, sluice::tool::DiffArguments& arguments) {
  CLI::App* diff = app.add_subcommand(
      "diff-qemu", "Compare the model with stock QEMU's SMMUv3 on random structures, legal and illegal");
  diff->add_option("--qemu", arguments.qemus,
                   "installed (stage 1), fetched (both stages, fetched by ./run guest), or a program; by default both")
      ->type_name("installed|fetched|PROGRAM");
  diff->add_option("--seed", arguments.seed, "The cases follow from this number");
  diff->add_option("--cases", arguments.cases, "How many for each QEMU")
      ->check(CLI::Range(std::uint64_t{2}, std::uint64_t{10'000'000}))
      ->capture_default_str();
  diff->add_option("--case", arguments.one, "Only the case of this number");
  diff->add_option("--plant", arguments.plant, "Plant a difference in what the model reads, which has to be found")
      ->check(CLI::IsMember({"permission", "level"}));
  diff->add_flag("--json", arguments.json, "Results as data");
  diff->footer("docs/qemu-differences.md lists where QEMU departs from the architecture. The exit status is 1 if it "
               "differs from the model elsewhere, and 77 if only the fetched QEMU is missing.");
  return diff;
}

CLI::App* add_serve(CLI::App& app, sluice::tool::ServeArguments& arguments) {
  CLI::App* serve = app.add_subcommand("serve", "Be the SMMU, and devices behind it, of a guest that a program runs");
  serve->add_option("--machine", arguments.machine, "A machine file, of which the first SMMU counts");
  serve->add_option("--ram", arguments.ram_mib, "The guest's RAM in MiB, from 0x40000000")
      ->check(CLI::Range(64, 65536))
      ->capture_default_str();
  serve->add_option("--frame", arguments.frame, "Where in the RAM the SMMU's registers are")->capture_default_str();
  serve->add_option("--rng", arguments.rngs, "An entropy source, over vhost-user")
      ->type_name("NAME=ADDRESS")
      ->allow_extra_args(false);
  serve->add_option("--copy", arguments.copies, "A copy engine, over vfio-user")
      ->type_name("NAME=ADDRESS")
      ->allow_extra_args(false);
  serve->add_option("--atc", arguments.atc_entries, "Entries of a copy engine's ATC, where the SMMU has ATS")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  serve->add_option("--gic", arguments.gic, "QEMU's name of the interrupt controller")->capture_default_str();
  serve->add_option("--report", arguments.report, "Write what has happened to this file when the program ends");
  serve->add_option("--break", arguments.fault, "Plant a fault")->check(CLI::IsMember({"stale", "walk", "cd", "atc"}));
  serve->add_flag("--verbose", arguments.verbose, "Print the command that is started");
  serve->footer("After -- come the program and its arguments: sluice serve [OPTIONS] -- PROGRAM [ARGUMENTS...]\n"
                "In the arguments {ram} becomes the name of the guest's RAM, {qtest} and {NAME} of an entropy source "
                "the number of a connected socket, {NAME} of a copy engine the path of one.");
  return serve;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Sluice: the Arm SMMUv3 in user space", "sluice"};
  app.set_version_flag("--version", "sluice " SLUICE_VERSION);
  app.require_subcommand(1);

  sluice::tool::RunArguments arguments;
  std::uint64_t seed = 0;
  CLI::App* run = app.add_subcommand("run", "DMA through driver and SMMU while the domains under it change");
  run->add_flag("--json", arguments.json, "Results as data");
  run->add_option("--seconds", arguments.seconds, "How long, or with --seed how much, traffic and changes go on")
      ->check(CLI::Range(0.01, 86400.0))
      ->capture_default_str();
  auto* seeded =
      run->add_option("--seed", seed, "One thread at a time in an order given by this number: repeats exactly");
  run->add_option("--break", arguments.fault, "Plant a fault, which has to be found")
      ->check(CLI::IsMember({"tlbi", "cfgi", "sync", "barrier", "order"}));
  run->add_option("--log", arguments.log, "Write what the driver on the model notes to this file, as lines of JSON")
      ->type_name("FILE");
  run->add_flag("--no-qemu", arguments.no_qemu, "Leave out the run on QEMU's SMMUv3");

  sluice::tool::NestedArguments nested_arguments;
  const Nested nested = add_nested(*run, nested_arguments, seed);

  sluice::tool::LongArguments long_arguments;
  std::uint32_t threads = 0;
  const Long longer = add_long(*run, long_arguments, seed, threads);

  sluice::tool::ExecArguments exec_arguments;
  CLI::App* exec = add_exec(app, exec_arguments);

  sluice::tool::DiffArguments diff_arguments;
  CLI::App* diff = add_diff(app, diff_arguments);

  sluice::tool::ServeArguments serve_arguments;
  CLI::App* serve = add_serve(app, serve_arguments);

  // What comes after -- is not for us to read.
  char** const program = std::find(argv, argv + argc, std::string_view{"--"});
  CLI11_PARSE(app, static_cast<int>(program - argv), argv);
  if (exec->parsed() || serve->parsed()) {
    if (argv + argc - program < 2) {
      return app.exit(CLI::RequiredError{"-- PROGRAM"});
    }
    auto& words = exec->parsed() ? exec_arguments.program : serve_arguments.program;
    words.assign(program + 1, argv + argc);
    return exec->parsed() ? sluice::tool::exec(exec_arguments) : sluice::tool::serve(serve_arguments);
  }
  if (nested.command->parsed()) {
    if (nested.seeded->count() > 0) {
      nested_arguments.seed = seed;
    }
    return sluice::tool::run_nested(nested_arguments);
  }
  if (longer.command->parsed()) {
    if (longer.seeded->count() > 0) {
      long_arguments.seed = seed;
    }
    if (longer.threads->count() > 0) {
      long_arguments.threads = threads;
    }
    return sluice::tool::run_long(long_arguments);
  }
  if (diff->parsed()) {
    return sluice::tool::diff(diff_arguments);
  }
  if (seeded->count() > 0) {
    arguments.seed = seed;
  }
  return sluice::tool::run(arguments, argv);
}

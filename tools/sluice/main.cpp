#include <tools/sluice/run.hpp>

#include <CLI/CLI.hpp>

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
  run->add_flag("--no-qemu", arguments.no_qemu, "Leave out the run on QEMU's SMMUv3");

  CLI11_PARSE(app, argc, argv);
  if (seeded->count() > 0) {
    arguments.seed = seed;
  }
  return sluice::tool::run(arguments, argv);
}

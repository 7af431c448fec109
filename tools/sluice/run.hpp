#pragma once

#include <ports/qemu/scenario.hpp>
#include <sluice/scenario/main_job.hpp>
#include <tools/sluice/nested.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::tool {

struct RunArguments {
  bool json{};
  bool no_qemu{};
  double seconds{5};
  std::optional<std::uint64_t> seed;
  std::string fault; // empty: none
  std::string log;   // where to write the driver's notes, empty: nowhere
};

struct RunResults {
  RunArguments arguments;
  scenario::MainJobReport model;
  std::optional<ports::qemu::Report> qemu;
  std::string qemu_absent; // why there is no such report

  NestedArguments nested_arguments;
  std::optional<scenario::NestedJobReport> nested; // absent where a fault is planted in the others

  bool hold() const {
    return model.holds() && (!qemu || qemu->passed()) && (qemu || qemu_absent.empty() || skipped()) &&
           (!nested || nested->holds());
  }
  // It was not asked for.
  bool skipped() const { return arguments.no_qemu || !arguments.fault.empty(); }
};

// `sluice run`. The exit status: 0 when all checks hold, 1 when one does not, 2 when it could not be run.
int run(const RunArguments& arguments, char** argv);

// For people and for programs.
std::string table(const RunResults& results);
std::string json(const RunResults& results);

} // namespace sluice::tool

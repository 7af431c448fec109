#include <tools/sluice/diff.hpp>

#include <sluice/hosted/scratch.hpp>
#include <tools/sluice/progress.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace sluice::tool {

namespace {

constexpr int not_fetched = 77;
constexpr std::string_view how_to_fetch = "it is not fetched: ./run guest fetches it";

ports::qemu::DifferentialOptions options_for(const DiffResults& all) {
  const DiffArguments& arguments = all.arguments;
  ports::qemu::DifferentialOptions options;
  options.contest.seed = all.seed;
  options.contest.cases = std::max(arguments.cases, arguments.one.value_or(0) + 1);
  options.contest.only = arguments.one.value_or(differential::all_cases);
  if (!arguments.plant.empty()) {
    options.contest.plant = arguments.plant == "level" ? differential::Plant::level : differential::Plant::permission;
    options.contest.keep = 1;
  }
  return options;
}

DiffResult run_one(const DiffResults& all, const std::string& qemu) {
  DiffResult result{qemu, {}, {}};
  auto options = options_for(all);
  if (qemu == "fetched") {
    options.virt.command = ports::qemu::fetched_qemu();
    if (options.virt.command.empty()) {
      result.absent = how_to_fetch;
      return result;
    }
  } else if (qemu != "installed") {
    options.virt.binary = qemu;
  }
  ProgressLine line;
  try {
    result.report = ports::qemu::run_differential(options, [&](std::uint64_t done) {
      line.show(fmt::format("QEMU ({}): {} of {} cases", qemu, done, options.contest.cases));
    });
  } catch (const hosted::SetupError& error) {
    result.absent = error.what();
  }
  return result;
}

} // namespace

bool DiffResults::hold() const {
  return std::all_of(results.begin(), results.end(), [](const DiffResult& r) { return r.holds(); });
}

int diff(const DiffArguments& arguments) {
  DiffResults all;
  all.arguments = arguments;
  const auto clock = std::chrono::system_clock::now().time_since_epoch();
  all.seed = arguments.seed.value_or(static_cast<std::uint64_t>(clock.count()) % 1'000'000);
  const auto qemus = arguments.qemus.empty() ? std::vector<std::string>{"installed", "fetched"} : arguments.qemus;
  for (const std::string& qemu : qemus) {
    all.results.push_back(run_one(all, qemu));
  }
  fmt::print("{}", arguments.json ? json(all) : table(all));
  const auto absent = [](const DiffResult& r) { return !r.report; };
  const auto only_fetched = [](const DiffResult& r) { return r.holds() || r.absent == how_to_fetch; };
  if (std::any_of(all.results.begin(), all.results.end(), absent)) {
    return std::all_of(all.results.begin(), all.results.end(), only_fetched) ? not_fetched : 2;
  }
  return all.hold() ? 0 : 1;
}

} // namespace sluice::tool

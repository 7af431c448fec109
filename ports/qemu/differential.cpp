#include <ports/qemu/differential.hpp>

#include <ports/qemu/rival.hpp>
#include <sluice/hosted/scratch.hpp>
#include <sluice/model/idr.hpp>

#include <algorithm>
#include <chrono>

namespace sluice::ports::qemu {

namespace {

using differential::Version;

std::string registers(Rival& rival) {
  return "IDR0 " + hex(rival.idr(0)) + ", IDR1 " + hex(rival.idr(1)) + ", IDR3 " + hex(rival.idr(3)) + ", IDR5 " +
         hex(rival.idr(5));
}

Version version_of(Rival& rival) {
  for (const Version version : {Version::qemu7, Version::qemu11}) {
    const auto id = model::identity(differential::features_of(version));
    if (id.idr0.raw() == rival.idr(0) && id.idr1.raw() == rival.idr(1) && id.idr3.raw() == rival.idr(3) &&
        id.idr5.raw() == rival.idr(5)) {
      return version;
    }
  }
  throw hosted::SetupError{"this QEMU's SMMU is none of the model's presets qemu7 and qemu11: " + registers(rival)};
}

} // namespace

bool DifferentialReport::passed() const {
  return std::all_of(verdicts.begin(), verdicts.end(), [](const auto& v) { return v.holds; }) &&
         std::all_of(ended.begin(), ended.end(), [](const auto& e) { return e.second; });
}

DifferentialReport run_differential(const DifferentialOptions& options,
                                    const std::function<void(std::uint64_t)>& progress) {
  const auto start = std::chrono::steady_clock::now();
  DifferentialReport report;
  report.options = options.contest;
  {
    Rival rival{options.virt};
    report.smmu = registers(rival);
    report.options.version = version_of(rival);
    report.options.stream_id = rival.stream_id();
    report.contest = differential::contest(rival, report.options, progress);
  }
  report.verdicts = differential::verdicts(report.contest, report.options);
  for (const auto& [departure, cases] : report.contest.last_words) {
    Rival rival{options.virt};
    report.ended[departure] =
        std::any_of(cases.begin(), cases.end(), [&](const auto& c) { return differential::ends(rival, c); });
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

} // namespace sluice::ports::qemu

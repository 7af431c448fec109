#include <sluice/differential/contest.hpp>

#include <sluice/arch/names/enums.hpp>

#include <algorithm>

namespace sluice::differential {

namespace {

constexpr std::uint64_t usual_cases = ContestOptions{}.cases;
constexpr std::uint64_t usual_events = 20;

using enum arch::EventType;
constexpr std::array all_events{C_BAD_STREAMID, F_STE_FETCH,   C_BAD_STE,    F_CD_FETCH,  C_BAD_CD,
                                F_WALK_EABT,    F_TRANSLATION, F_PERMISSION, F_ADDR_SIZE, F_ACCESS};
constexpr std::size_t events_of_qemu7 = 8; // without the last two

std::string percent(const Tally& t) { return std::to_string(t.cases == 0 ? 0 : 100 * t.translated / t.cases) + " %"; }

} // namespace

std::span<const arch::EventType> events_of(Version version) {
  return std::span{all_events}.first(version == Version::qemu7 ? events_of_qemu7 : all_events.size());
}

std::vector<Verdict> verdicts(const ContestReport& report, const ContestOptions& options) {
  Verdict same{"same", "QEMU does what the model does, but for the departures that are listed",
               report.failure.empty() && report.unexplained == 0,
               report.failure.empty() ? std::to_string(report.unexplained) + " unexplained" : report.failure};
  if (options.plant != Plant::none || options.only != all_cases) {
    return {same};
  }

  Verdict translate{"translate", "a third of the cases of each mode translate", true, ""};
  for (const Mode mode : {Mode::stage1, Mode::stage2, Mode::nested}) {
    const Tally& t = report.tally[static_cast<std::size_t>(mode)];
    if (mode == Mode::stage1 || options.version == Version::qemu11) {
      translate.holds = translate.holds && t.cases != 0 && 3 * t.translated >= t.cases;
      translate.seen += std::string{translate.seen.empty() ? "" : ", "} + std::string{name(mode)} + " " + percent(t);
    }
  }

  const std::uint64_t wanted =
      std::max<std::uint64_t>(1, usual_events * std::min(options.cases, usual_cases) / usual_cases);
  Verdict each{"events", "QEMU raises each event that it has, often enough", true, ""};
  for (const arch::EventType type : events_of(options.version)) {
    const std::uint64_t times = report.raised(type);
    each.holds = each.holds && times >= wanted;
    if (times < wanted) {
      each.seen += std::string{arch::names::name_of(type)} + " " + std::to_string(times) + " times; ";
    }
  }
  each.seen += std::to_string(wanted) + " times at least";
  return {same, translate, each};
}

} // namespace sluice::differential

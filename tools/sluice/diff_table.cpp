#include <tools/sluice/diff.hpp>

#include <sluice/arch/names/enums.hpp>

#include <fmt/format.h>

namespace sluice::tool {

using differential::Departure;
using differential::Difference;
using differential::Mode;
using differential::Seen;

namespace {

constexpr std::size_t shown = 5; // differences

std::string text(const Seen& seen, bool write) {
  std::string out;
  if (write) {
    out = seen.landed ? fmt::format("written to {:#x}", *seen.landed) : "not written";
  } else {
    out = fmt::format("read {:#010x}", seen.value);
  }
  for (const arch::Event& e : seen.events) {
    out += fmt::format(", {} {:016x} {:016x} {:016x} {:016x}", arch::names::name_of(e.get(arch::Event::Type)), e.w[0],
                       e.w[1], e.w[2], e.w[3]);
  }
  return out;
}

template <class S>
std::string words(const S& s) {
  std::string out;
  for (const std::uint64_t w : s.w) {
    out += fmt::format(" {:016x}", w);
  }
  return out;
}

void difference(std::string& out, const Difference& d) {
  const auto& c = d.c;
  out += fmt::format("  case {}: {}, {}, {} of {:#x}\n", c.number, name(c.mode),
                     c.flaw.empty() ? "nothing wrong with it" : c.flaw, c.write ? "write" : "read", c.iova);
  out += fmt::format("    STE      {}\n", words(c.ste()));
  if (c.cd_at != 0) {
    out += fmt::format("    CD       {}\n", words(c.cd()));
  }
  for (const auto& f : d.ours.fetches) {
    const bool structure = (f.address & ~63ULL) == c.ste_at || (c.cd_at != 0 && (f.address & ~63ULL) == c.cd_at);
    out += structure ? "" : fmt::format("    fetched   {:#x}: {:016x}\n", f.address, f.value);
  }
  out += fmt::format("    model     {}\n", text(d.ours.seen, c.write));
  for (const Departure* used : d.used) {
    out += fmt::format("    departure {}\n", used->name);
  }
  if (!d.used.empty()) {
    out += fmt::format("    expected  {}\n", text(d.expected, c.write));
  }
  out += fmt::format("    QEMU      {}\n", text(d.theirs, c.write));
}

void histogram(std::string& out, const differential::ContestReport& r) {
  out += fmt::format("  {:<20}{:>9}{:>11}   events of QEMU / of the model\n", "", "cases", "translate");
  for (std::size_t m = 0; m < differential::modes; ++m) {
    const auto& t = r.tally[m];
    if (t.cases == 0) {
      continue;
    }
    std::string events;
    auto types = t.ours;
    types.insert(t.theirs.begin(), t.theirs.end());
    for (const auto& [type, unused] : types) {
      const auto count = [type = type](const auto& all) { return all.contains(type) ? all.at(type) : 0; };
      events += fmt::format("  {} {}/{}", arch::names::name_of(type), count(t.theirs), count(t.ours));
    }
    out += fmt::format("    {:<18}{:>9}{:>10} %  {}\n", name(static_cast<Mode>(m)), t.cases,
                       100 * t.translated / t.cases, events);
  }
}

void departures(std::string& out, const ports::qemu::DifferentialReport& report) {
  out += "  departures of QEMU    section: the architecture; QEMU\n";
  for (const Departure& d : differential::departures()) {
    if (!d.concerns(report.options.version) || d.kind == Departure::Kind::fatal) {
      continue;
    }
    const auto found = report.contest.departures.find(&d);
    const std::string times = found == report.contest.departures.end() ? "unused" : std::to_string(found->second);
    out += fmt::format("    {:<22}{:>7}  {}: {}; {}\n", d.name, times, d.section, d.rule, d.qemu);
  }
  for (const auto& [d, ended] : report.ended) {
    out += fmt::format("    {:<22}{:>7}  {}: {}; {}\n", d->name, ended ? "ended" : "NOT SEEN", d->section, d->rule,
                       d->qemu);
  }
}

std::string found_plant(const DiffResults& all) {
  std::string where;
  for (const DiffResult& r : all.results) {
    if (r.report && !r.report->contest.differences.empty()) {
      where += fmt::format(" case {} (QEMU {})", r.report->contest.differences[0].c.number, r.qemu);
    }
  }
  return where.empty() ? fmt::format("the planted difference '{}' was NOT noticed\n", all.arguments.plant)
                       : fmt::format("the planted difference '{}' was found:{}\n", all.arguments.plant, where);
}

void one(std::string& out, const DiffResult& result) {
  if (!result.report) {
    out += fmt::format("QEMU ({}): left out: {}\n", result.qemu, result.absent);
    return;
  }
  const auto& report = *result.report;
  const auto& r = report.contest;
  out += fmt::format("QEMU ({}), {}: {} in {:.1f} s\n", result.qemu,
                     report.options.version == differential::Version::qemu7 ? "stage 1" : "both stages", report.smmu,
                     report.seconds);
  out += fmt::format("  cases               {} compared, {} left out that touch what is no memory, {} that end QEMU\n",
                     r.cases, r.left_out, r.fatal);
  out += fmt::format("  outcomes            {} the same, {} explained, {} unexplained\n", r.same, r.explained,
                     r.unexplained);
  histogram(out, r);
  departures(out, report);
  for (std::size_t i = 0; i < r.differences.size() && i < shown; ++i) {
    difference(out, r.differences[i]);
  }
  for (const auto& v : report.verdicts) {
    out += fmt::format("  {:<8}{:<11}{} ({})\n", v.holds ? "ok" : "FAILED", v.name, v.sentence, v.seen);
  }
}

} // namespace

std::string table(const DiffResults& all) {
  std::string out = fmt::format("the model and stock QEMU's SMMUv3 on the same structures, seed {}\n", all.seed);
  for (const DiffResult& result : all.results) {
    one(out, result);
  }
  if (!all.arguments.plant.empty()) {
    return out + found_plant(all);
  }
  return out + (all.hold() ? "all checks hold\n" : "FAILED\n");
}

} // namespace sluice::tool

#include <tools/sluice/rows.hpp>
#include <tools/sluice/run.hpp>

#include <fmt/format.h>

namespace sluice::tool {

namespace {

void matrix(std::string& out, const scenario::ChangeCounts& changes) {
  using scenario::Kind;
  constexpr auto of_rids = static_cast<std::size_t>(Kind::process);
  for (std::size_t from = 0; from < of_rids; ++from) {
    std::string line;
    for (std::size_t to = 0; to < of_rids; ++to) {
      line += fmt::format("{}to {} {}", to == 0 ? "" : ", ", scenario::name(static_cast<Kind>(to)),
                          grouped(changes.replaced[from][to]));
    }
    row(out, fmt::format("  {}", scenario::name(static_cast<Kind>(from))), "{}", line);
  }
}

void part1(std::string& out, const RunResults& results) {
  const scenario::MainJobReport& r = results.model;
  out += fmt::format("1 our driver on our SMMUv3 model, {} seed {}\n",
                     r.seeded ? "one thread at a time in the order of" : "free threads,", r.seed);
  row(out, "domains replaced", "{} in {:.3f} s{}", grouped(r.changes.replaced_in_all()), r.seconds,
      r.seeded ? " of virtual time" : "");
  matrix(out, r.changes);
  row(out, "hitless", "{} by the driver's word; endpoints saw {} aborts, {} events, 0 retries",
      grouped(r.changes.hitless), grouped(r.traffic.aborts), grouped(r.events_unexpected));
  row(out, "bytes", "{} moved, {} verified, in {} jobs, {} of them during a change", grouped(r.traffic.moved),
      grouped(r.traffic.verified), grouped(r.traffic.jobs), grouped(r.traffic.during));
  row(out, "memory", "{} maps, {} unmaps, {} domains made anew", grouped(r.changes.maps), grouped(r.changes.unmaps),
      grouped(r.changes.reborn));
  row(out, "old IOVAs read", "{} aborted, {} F_TRANSLATION recorded", grouped(r.traffic.refused),
      grouped(r.events_expected));
  row(out, "commands", "{} by the driver, {} by the SMMU", grouped(r.commands.driver), grouped(r.commands.smmu));
  row(out, "SYNCs", "{} by the driver, {} by the SMMU", grouped(r.syncs.driver), grouped(r.syncs.smmu));
  row(out, "left behind", "{} bytes", grouped(r.remains.client_bytes + r.remains.driver_dma + r.remains.driver_plain));
  verdicts(out, r.checks);
}

void part2(std::string& out, const RunResults& results) {
  out += "2 the same driver on stock QEMU's SMMUv3\n";
  if (!results.qemu) {
    verdict(out, results.skipped(), "", (results.skipped() ? "left out: " : "") + results.qemu_absent);
    return;
  }
  const ports::qemu::Report& r = *results.qemu;
  row(out, "SMMU", "{}", r.smmu);
  row(out, "domains replaced", "{}", grouped(r.changes));
  row(out, "bytes", "{} moved by edu and verified", grouped(r.bytes));
  row(out, "commands", "{}, SYNCs {}, register accesses {}", grouped(r.counters.commands), grouped(r.counters.syncs),
      grouped(r.accesses));
  for (const ports::qemu::Check& check : r.checks) {
    verdict(out, check.passed(), "", check.name);
    if (!check.passed()) {
      out += fmt::format("          expected {}, seen {}\n", check.expected, check.seen);
    }
  }
}

std::string conclusion(const RunResults& results) {
  const std::string& fault = results.arguments.fault;
  if (results.hold()) {
    return fault.empty() ? "all checks hold\n" : fmt::format("the planted fault '{}' was NOT noticed\n", fault);
  }
  std::string names = failed_names(results.model.checks);
  if (!results.skipped() && (!results.qemu || !results.qemu->passed())) {
    names += " qemu";
  }
  names += results.nested ? failed_names(results.nested->checks) : "";
  return fault.empty() ? fmt::format("FAILED:{}\n", names)
                       : fmt::format("the planted fault '{}' was caught by:{}\n", fault, names);
}

} // namespace

std::string table(const RunResults& results) {
  std::string out;
  part1(out, results);
  part2(out, results);
  if (results.nested) {
    out += "3 " + nested_table(results.nested_arguments, *results.nested);
  }
  return out + conclusion(results);
}

} // namespace sluice::tool

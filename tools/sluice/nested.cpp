#include <tools/sluice/nested.hpp>

#include <sluice/hosted/scratch.hpp>
#include <sluice/scenario/counters_json.hpp>
#include <tools/sluice/progress.hpp>
#include <tools/sluice/rows.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <map>

namespace sluice::tool {

namespace {

using Json = nlohmann::ordered_json;

// So much a seeded run does for each second that was asked for.
constexpr double seeded_changes_per_second = 1000;
constexpr double fewest_changes = 300; // in which each kind of them comes

machine::HostFault fault(const std::string& name) {
  using machine::HostFault;
  const std::map<std::string, HostFault> named{{"tlbi", HostFault::tlbi}, {"cfgi", HostFault::cfgi},
                                               {"atc", HostFault::atc},   {"s1", HostFault::s1},
                                               {"s2", HostFault::s2},     {"walk", HostFault::walk}};
  return name.empty() ? HostFault::none : named.at(name);
}

scenario::NestedJobOptions options_for(const NestedArguments& arguments) {
  scenario::NestedJobOptions options;
  options.seconds = arguments.seconds;
  options.hostile = !arguments.alone;
  const auto clock = std::chrono::system_clock::now().time_since_epoch();
  options.seed = arguments.seed.value_or(static_cast<std::uint64_t>(clock.count()) % 1'000'000);
  options.seeded = arguments.seed.has_value();
  if (options.seeded) {
    options.changes =
        static_cast<std::uint64_t>(std::max(arguments.seconds * seeded_changes_per_second, fewest_changes));
  }
  options.fault = fault(arguments.fault);
  return options;
}

std::uint64_t replaced(const scenario::ChangeCounts& changes, scenario::Kind from, scenario::Kind to) {
  return changes.replaced[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
}

Json of(const vsmmu::Counters& c) {
  return {{"commands", c.commands},
          {"syncs", c.syncs},
          {"command_errors", c.command_errors},
          {"invalidations", c.invalidations},
          {"invalidate_calls", c.calls},
          {"placed", c.placed},
          {"stes_refused", c.refused},
          {"stes_failed", c.failed},
          {"events", c.events},
          {"events_discarded", c.events_discarded},
          {"losses", c.losses}};
}

std::string conclusion(const NestedArguments& arguments, const scenario::NestedJobReport& report) {
  const std::string& fault = arguments.fault;
  if (report.holds()) {
    return fault.empty() ? "all checks hold\n" : fmt::format("the planted fault '{}' was NOT noticed\n", fault);
  }
  const std::string names = failed_names(report.checks);
  return fault.empty() ? fmt::format("FAILED:{}\n", names)
                       : fmt::format("the planted fault '{}' was caught by:{}\n", fault, names);
}

} // namespace

std::string nested_table(const NestedArguments& arguments, const scenario::NestedJobReport& r) {
  using scenario::Kind;
  std::string out = fmt::format("our driver in a guest, on a virtual SMMU, on iommufd, on our driver, on our SMMUv3 "
                                "model, {} seed {}\n",
                                r.seeded ? "one thread at a time in the order of" : "free threads,", r.seed);
  row(out, "domains replaced", "{} by the guest in {:.3f} s{}, for 4 devices and 4 PASIDs of theirs",
      grouped(r.changes.replaced_in_all()), r.seconds, r.seeded ? " of virtual time" : "");
  const auto to = [&](Kind from, Kind into) { return grouped(replaced(r.changes, from, into)); };
  row(out, "  stage 1", "to stage 1 {}, to identity {}, to a process {}", to(Kind::stage1, Kind::stage1),
      to(Kind::stage1, Kind::identity), to(Kind::stage1, Kind::process));
  row(out, "  identity", "to stage 1 {}", to(Kind::identity, Kind::stage1));
  row(out, "  a process", "to stage 1 {}, to a process {}", to(Kind::process, Kind::stage1),
      to(Kind::process, Kind::process));
  row(out, "by the monitor", "{} HWPTs for the guest's memory, one in place of the other; {} times saved and restored",
      grouped(r.parents_replaced), grouped(r.restored));
  const driver::Counters& h = r.host;
  row(out, "  on the host", "{} STEs in place, {} by a swung table, {} disruptive",
      grouped(h.changes_in_place + h.changes_store128), grouped(h.changes_swung), grouped(h.changes_disruptive));
  row(out, "hitless", "{} by the guest's word; endpoints saw {} aborts, {} events", grouped(r.changes.hitless),
      grouped(r.traffic.aborts), grouped(r.events_unexpected));
  row(out, "bytes", "{} moved, {} verified, in {} jobs, {} of them during a change", grouped(r.traffic.moved),
      grouped(r.traffic.verified), grouped(r.traffic.jobs), grouped(r.traffic.during));
  row(out, "memory", "{} maps, {} unmaps, {} domains made anew; {} pages plugged by the monitor",
      grouped(r.changes.maps), grouped(r.changes.unmaps), grouped(r.changes.reborn), grouped(r.plugged));
  row(out, "old IOVAs read",
      "{} aborted, {} F_TRANSLATION of the guest's recorded; {} for which there was no translation",
      grouped(r.traffic.refused), grouped(r.events_expected), grouped(r.traffic.refused_ats));
  row(out, "stalls", "{} accesses waited: {} got their page, {} were refused; {} answers of the guest's",
      grouped(r.stalls.stalled), grouped(r.stalls.served), grouped(r.stalls.refused), grouped(r.guest.stalls_answered));
  row(out, "commands", "{} by the guest's driver, {} by its SMMU", grouped(r.commands.driver),
      grouped(r.commands.smmu));
  row(out, "SYNCs", "{} by the guest's driver, {} by its SMMU", grouped(r.syncs.driver), grouped(r.syncs.smmu));
  row(out, "invalidations", "{} in {} calls of the monitor's", grouped(r.guest.invalidations), grouped(r.guest.calls));
  row(out, "on the host", "{} commands by the driver, {} by the SMMU", grouped(h.commands),
      grouped(r.hardware.commands));
  row(out, "ATCs", "{} invalidations", grouped(r.hardware.atc_invalidations));
  if (!arguments.alone) {
    row(out, "hostile guest",
        "{} registers, {} commands ({} in error), {} STEs ({} refused), {} queues and tables misplaced, {} accesses "
        "({} aborted)",
        grouped(r.hostile.registers), grouped(r.hostile.commands), grouped(r.other.command_errors),
        grouped(r.hostile.stes), grouped(r.other.refused), grouped(r.hostile.misplaced), grouped(r.hostile.dma),
        grouped(r.hostile.dma_aborted));
  }
  verdicts(out, r.checks);
  return out;
}

Json nested_data(const NestedArguments& arguments, const scenario::NestedJobReport& r) {
  Json all{{"holds", r.holds()}, {"fault", nullptr},    {"checks", checks_data(r.checks)},
           {"seed", r.seed},     {"repeats", r.seeded}, {"seconds", r.seconds}};
  if (!arguments.fault.empty()) {
    all["fault"] = arguments.fault;
  }
  all["changes"] = {{"total", r.changes.replaced_in_all()},
                    {"hitless_by_driver", r.changes.hitless},
                    {"maps", r.changes.maps},
                    {"unmaps", r.changes.unmaps},
                    {"domains_made_anew", r.changes.reborn},
                    {"pages_plugged", r.plugged},
                    {"parents_replaced", r.parents_replaced},
                    {"saved_and_restored", r.restored}};
  all["traffic"] = {{"jobs", r.traffic.jobs},
                    {"jobs_during_a_change", r.traffic.during},
                    {"bytes_moved", r.traffic.moved},
                    {"bytes_verified", r.traffic.verified},
                    {"aborts", r.traffic.aborts},
                    {"unmapped_reads_refused", r.traffic.refused},
                    {"unmapped_reads_without_translation", r.traffic.refused_ats}};
  all["stalls"] = {{"waited", r.stalls.stalled},
                   {"served", r.stalls.served},
                   {"refused", r.stalls.refused},
                   {"ended_by_the_monitor", r.stalls.ended},
                   {"answers", r.guest.stalls_answered}};
  all["events"] = {{"expected", r.events_expected}, {"unexpected", r.events_unexpected}};
  all["guest_smmu"] = of(r.guest);
  all["host"] = {{"driver", scenario::json_of(r.host)}, {"smmu", scenario::json_of(r.hardware)}};
  if (!arguments.alone) {
    all["hostile_guest"] = {{"registers", r.hostile.registers},
                            {"commands", r.hostile.commands},
                            {"stes", r.hostile.stes},
                            {"misplaced", r.hostile.misplaced},
                            {"accesses", r.hostile.dma},
                            {"aborted", r.hostile.dma_aborted},
                            {"smmu", of(r.other)}};
  }
  return all;
}

scenario::NestedJobReport run_nested_job(const NestedArguments& arguments) {
  ProgressLine line;
  return scenario::run_nested_job(options_for(arguments), [&](const scenario::MainJobProgress& p) {
    line.show(fmt::format("nested: {:5.1f} s, {} changes, {} unmaps, {:.1f} MB moved", p.seconds, p.replaced, p.unmaps,
                          static_cast<double>(p.moved) * 1e-6));
  });
}

int run_nested(const NestedArguments& arguments) {
  try {
    const auto report = run_nested_job(arguments);
    fmt::print("{}", arguments.json ? nested_data(arguments, report).dump(2) + "\n"
                                    : nested_table(arguments, report) + conclusion(arguments, report));
    return report.holds() ? 0 : 1;
  } catch (const hosted::SetupError& error) {
    fmt::print(stderr, "sluice: {}\n", error.what());
    return 2;
  }
}

} // namespace sluice::tool

#include <tools/sluice/diff.hpp>

#include <sluice/arch/names/enums.hpp>

#include <nlohmann/json.hpp>

namespace sluice::tool {

namespace {

using Json = nlohmann::ordered_json;

Json of(const std::map<arch::EventType, std::uint64_t>& events) {
  Json all = Json::object();
  for (const auto& [type, times] : events) {
    all[std::string{arch::names::name_of(type)}] = times;
  }
  return all;
}

Json of(const differential::Seen& seen) {
  Json events = Json::array();
  for (const arch::Event& e : seen.events) {
    events.push_back(e.w);
  }
  return {{"landed", seen.landed ? Json(*seen.landed) : Json(nullptr)}, {"value", seen.value}, {"events", events}};
}

Json of(const differential::Difference& d) {
  Json used = Json::array();
  for (const auto* departure : d.used) {
    used.push_back(departure->name);
  }
  return {{"case", d.c.number}, {"mode", name(d.c.mode)},     {"flaw", d.c.flaw},    {"iova", d.c.iova},
          {"write", d.c.write}, {"ste", d.c.ste().w},         {"cd", d.c.cd().w},    {"model", of(d.ours.seen)},
          {"departures", used}, {"expected", of(d.expected)}, {"qemu", of(d.theirs)}};
}

Json of(const ports::qemu::DifferentialReport& report) {
  const auto& r = report.contest;
  Json checks = Json::array();
  for (const auto& v : report.verdicts) {
    checks.push_back({{"name", v.name}, {"what", v.sentence}, {"holds", v.holds}, {"seen", v.seen}});
  }
  Json by_mode = Json::object();
  for (std::size_t m = 0; m < differential::modes; ++m) {
    const auto& t = r.tally[m];
    by_mode[std::string{name(static_cast<differential::Mode>(m))}] = {
        {"cases", t.cases}, {"translated", t.translated}, {"events", {{"qemu", of(t.theirs)}, {"model", of(t.ours)}}}};
  }
  Json departures = Json::array();
  for (const auto& d : differential::departures()) {
    if (d.concerns(report.options.version)) {
      const auto times = r.departures.find(&d);
      Json one{{"name", d.name}, {"section", d.section}, {"architecture", d.rule}, {"qemu", d.qemu}};
      one["times"] = times == r.departures.end() ? 0 : times->second;
      if (const auto ended = report.ended.find(&d); ended != report.ended.end()) {
        one["ended_qemu"] = ended->second;
      }
      departures.push_back(one);
    }
  }
  Json differences = Json::array();
  for (const auto& d : r.differences) {
    differences.push_back(of(d));
  }
  return {{"holds", report.passed()}, {"smmu", report.smmu},      {"seconds", report.seconds},
          {"checks", checks},         {"cases", r.cases},         {"left_out", r.left_out},
          {"fatal", r.fatal},         {"same", r.same},           {"explained", r.explained},
          {"modes", by_mode},         {"departures", departures}, {"differences", differences}};
}

} // namespace

std::string json(const DiffResults& all) {
  Json qemus = Json::array();
  for (const DiffResult& result : all.results) {
    Json one{{"qemu", result.qemu}};
    one.update(result.report ? of(*result.report) : Json{{"absent", result.absent}});
    qemus.push_back(one);
  }
  Json out{{"holds", all.hold()}, {"seed", all.seed}, {"planted", nullptr}, {"qemus", qemus}};
  if (!all.arguments.plant.empty()) {
    out["planted"] = all.arguments.plant;
  }
  return out.dump(2) + "\n";
}

} // namespace sluice::tool

#include <tools/sluice/rows.hpp>
#include <tools/sluice/run.hpp>

#include <sluice/scenario/counters_json.hpp>

#include <nlohmann/json.hpp>

namespace sluice::tool {

namespace {

using Json = nlohmann::ordered_json;

Json of(const scenario::BothSides& sides) { return {{"driver", sides.driver}, {"smmu", sides.smmu}}; }

Json of(const scenario::ChangeCounts& changes) {
  Json replaced = Json::object();
  constexpr auto of_rids = static_cast<std::size_t>(scenario::Kind::process);
  for (std::size_t from = 0; from < of_rids; ++from) {
    for (std::size_t to = 0; to < of_rids; ++to) {
      const auto key = std::string{scenario::name(static_cast<scenario::Kind>(from))} + " -> " +
                       std::string{scenario::name(static_cast<scenario::Kind>(to))};
      replaced[key] = changes.replaced[from][to];
    }
  }
  return {{"total", changes.replaced_in_all()},
          {"replaced", replaced},
          {"hitless_by_driver", changes.hitless},
          {"maps", changes.maps},
          {"unmaps", changes.unmaps},
          {"domains_made_anew", changes.reborn}};
}

Json of(const scenario::MainJobReport& r) {
  return {
      {"holds", r.holds()},
      {"checks", checks_data(r.checks)},
      {"seed", r.seed},
      {"repeats", r.seeded},
      {"seconds", r.seconds},
      {"changes", of(r.changes)},
      {"endpoints", {{"aborts", r.traffic.aborts}, {"retries", 0}, {"jobs_during_a_change", r.traffic.during}}},
      {"traffic", {{"jobs", r.traffic.jobs}, {"bytes_moved", r.traffic.moved}, {"bytes_verified", r.traffic.verified}}},
      {"unmapped_reads_refused", r.traffic.refused},
      {"events", {{"expected", r.events_expected}, {"unexpected", r.events_unexpected}, {"counted", of(r.events)}}},
      {"commands", of(r.commands)},
      {"syncs", of(r.syncs)},
      {"commands_spoiled", r.spoiled},
      {"counters", {{"driver", scenario::json_of(r.driver)}, {"smmu", scenario::json_of(r.smmu)}}},
      {"left_behind",
       {{"client_bytes", r.remains.client_bytes},
        {"driver_dma_bytes", r.remains.driver_dma},
        {"driver_plain_bytes", r.remains.driver_plain}}}};
}

Json of(const ports::qemu::Report& r) {
  Json checks = Json::array();
  for (const ports::qemu::Check& check : r.checks) {
    checks.push_back(
        {{"name", check.name}, {"holds", check.passed()}, {"expected", check.expected}, {"seen", check.seen}});
  }
  return {
      {"holds", r.passed()},       {"checks", checks},   {"smmu", r.smmu},         {"changes", r.changes},
      {"bytes_verified", r.bytes}, {"faults", r.faults}, {"accesses", r.accesses}, {"commands", r.counters.commands},
      {"syncs", r.counters.syncs}};
}

} // namespace

std::string json(const RunResults& results) {
  Json all{{"holds", results.hold()}, {"fault", nullptr}, {"model", of(results.model)}};
  if (!results.arguments.fault.empty()) {
    all["fault"] = results.arguments.fault;
  }
  all["qemu"] = results.qemu ? of(*results.qemu) : Json{{"absent", results.qemu_absent}};
  if (results.nested) {
    all["nested"] = nested_data(results.nested_arguments, *results.nested);
  }
  return all.dump(2) + "\n";
}

} // namespace sluice::tool

#include "account.hpp"

#include "report.hpp"

#include <sluice/scenario/counters_json.hpp>

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace sluice::preload {

namespace {

using Json = nlohmann::ordered_json;

Json hex(std::uint64_t value) {
  char text[19];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

Json of(const machine::Moved& moved) { return {{"requests", moved.requests}, {"bytes", moved.bytes}}; }

Json of(const pcie::DmaCounters& dma) {
  return {{"reads", dma.reads},           {"writes", dma.writes},
          {"bytes_read", dma.bytes_read}, {"bytes_written", dma.bytes_written},
          {"served", dma.served},         {"faulted", dma.faulted},
          {"recorded", dma.recorded},     {"bus_aborts", dma.bus_aborts},
          {"zeroed", dma.zeroed},         {"withheld", dma.withheld}};
}

Json of(const machine::FunctionAccount& f) {
  return {{"address", machine::to_string(f.address)},
          {"name", f.name},
          {"smmu", f.smmu},
          {"stream", f.stream},
          {"delivered",
           {{"bytes", f.delivered.bytes}, {"buffers", f.delivered.buffers}, {"digest", hex(f.delivered.digest)}}},
          {"dma", of(f.dma)},
          {"interrupts", f.interrupts},
          {"messages", f.messages},
          {"nested", of(f.nested)},
          {"stage1", of(f.stage1)},
          {"stage2", of(f.stage2)},
          {"bypassed", of(f.bypassed)},
          {"nested_looked_up", f.nested_looked_up},
          {"nested_in_ioas", f.nested_in_ioas}};
}

Json of(const machine::EngineAccount& e) {
  return {{"address", machine::to_string(e.address)},
          {"jobs", e.jobs.jobs},
          {"bytes", e.jobs.bytes},
          {"aborted", e.jobs.aborted}};
}

Json of(const machine::StaleUse& stale) {
  return {{"function", stale.function},
          {stale.by_ipa ? "ipa" : "iova", hex(stale.address)},
          {"cached", hex(stale.cached)},
          {"fresh", stale.fresh ? hex(*stale.fresh) : Json{}}};
}

template <class T>
Json list(const std::vector<T>& all, Json (*json_of)(const T&)) {
  Json result = Json::array();
  for (const T& one : all) {
    result.push_back(json_of(one));
  }
  return result;
}

Json of(const machine::SmmuAccount& s) {
  return {{"driver", scenario::json_of(s.driver)},
          {"model", scenario::json_of(s.model)},
          {"nested", of(s.nested)},
          {"stage1", of(s.stage1)},
          {"stage2", of(s.stage2)},
          {"bypassed", of(s.bypassed)},
          {"spoiled", s.spoiled},
          {"audits", s.audits},
          {"compared", s.compared},
          {"stale", s.stale},
          {"first_stale", list<machine::StaleUse>(s.first_stale, of)}};
}

Json of(const Ending& e) {
  return {
      {"at_exit", {{"descriptors", e.descriptors_open}, {"contexts", e.contexts_open}, {"objects", e.objects_open}}},
      {"functions", list<machine::FunctionAccount>(e.account.functions, of)},
      {"engines", list<machine::EngineAccount>(e.account.engines, of)},
      {"smmus", list<machine::SmmuAccount>(e.account.smmus, of)},
      {"stale", e.account.stale()},
      {"torn_down", e.all_closed},
      {"left_behind",
       {{"windows", e.account.windows},
        {"contexts", e.account.contexts},
        {"objects", e.account.objects},
        {"vectors", e.account.vectors},
        {"client_bytes", e.remains.client_bytes},
        {"driver_dma_bytes", e.remains.driver_dma},
        {"driver_plain_bytes", e.remains.driver_plain}}}};
}

} // namespace

void write_account(const std::string& path, const Ending& ending) {
  std::ofstream file{path};
  file << of(ending).dump(2) << '\n';
  if (!file.flush()) {
    report("--report: %s cannot be written: %s", path.c_str(), std::strerror(errno));
  }
}

} // namespace sluice::preload

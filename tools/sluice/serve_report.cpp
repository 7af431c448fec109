#include <tools/sluice/serve_guest.hpp>

#include <sluice/arch/names/enums.hpp>
#include <sluice/machine/host.hpp>

#include <nlohmann/json.hpp>

#include <fmt/format.h>

// What `sluice serve --report` writes.
namespace sluice::tool {

namespace {

using nlohmann::json;

json moved(const machine::Moved& moved) { return {{"requests", moved.requests}, {"bytes", moved.bytes}}; }

json dma(const pcie::DmaCounters& dma) {
  return {{"reads", dma.reads},           {"writes", dma.writes},
          {"bytes_read", dma.bytes_read}, {"bytes_written", dma.bytes_written},
          {"served", dma.served},         {"faulted", dma.faulted},
          {"bus_aborts", dma.bus_aborts}, {"withheld", dma.withheld}};
}

json stages(const machine::CountedPort& port) {
  return {{"stage1", moved(port.moved(model::Stages::first))},
          {"stage2", moved(port.moved(model::Stages::second))},
          {"nested", moved(port.moved(model::Stages::both))},
          {"bypassed", moved(port.moved(model::Stages::none))}};
}

json queue(const pcie::Virtqueue& queue) {
  return {{"indirect", queue.rules().indirect}, {"event_index", queue.rules().event_index}, {"tables", queue.tables()}};
}

json translation(machine::CountedPort& port) {
  const model::PortCounters counters = port.counters();
  return {{"tlb_misses", counters.tlb_misses},
          {"walks", counters.walks},
          {"faults", counters.faults},
          {"translation_requests", counters.translation_requests},
          {"translated", counters.translated}};
}

json atc(pcie::Ats& ats) {
  const pcie::Atc::Counters c = ats.atc().counters();
  return {{"hits", c.hits}, {"misses", c.misses}, {"inserted", c.inserted}, {"invalidated", c.invalidated}};
}

json place(const std::string& name, const pcie::Address& address) {
  const machine::PciAddress at{.bus = static_cast<std::uint8_t>(address.requester >> 8),
                               .device = static_cast<std::uint8_t>(address.requester >> 3 & 31),
                               .function = static_cast<std::uint8_t>(address.requester & 7)};
  return {{"name", name}, {"address", machine::to_string(at)}};
}

json commands(const machine::GuestSmmu& smmu) {
  json result = json::object();
  for (unsigned i = 0; i < 256; ++i) {
    const auto opcode = static_cast<arch::Opcode>(i);
    if (const std::uint64_t count = smmu.commands(opcode); count != 0) {
      const auto name = arch::names::name_of(opcode);
      result[name.empty() ? fmt::format("{:#x}", i) : std::string{name}] = count;
    }
  }
  return result;
}

json stale(const model::StaleTranslation& s) {
  return {{"stream", s.stream_id},
          {s.by_ipa ? "ipa" : "iova", fmt::format("{:#x}", s.address)},
          {"cached", fmt::format("{:#x}", s.cached)},
          {"fresh", s.fresh ? fmt::format("{:#x}", *s.fresh) : "nothing"}};
}

json software_faults(const model::Smmu& smmu) {
  json found = json::array();
  for (const model::SoftwareFinding& f : smmu.software_faults()) {
    found.push_back({{"section", f.what.section}, {"what", f.what.sentence}, {"count", f.count}, {"at", f.latest}});
  }
  return found;
}

json stale_uses(const model::Smmu& smmu) {
  const model::StaleUses uses = smmu.stale_uses();
  json first = json::array();
  for (const model::StaleUse& use : uses.latest) {
    json one = {{"stream", use.stream_id},
                {"iova", fmt::format("{:#x}", use.address)},
                {"cached", fmt::format("{:#x}", use.cached)},
                {"memory", use.memory ? fmt::format("{:#x}", *use.memory) : "nothing"},
                {"missing", arch::names::name_of(use.missing.get(arch::Command::Opcode))}};
    if (use.substream_id) {
      one["substream"] = *use.substream_id;
    }
    first.push_back(one);
  }
  return {{"count", uses.count}, {"latest", first}};
}

} // namespace

std::string ServedGuest::report() const {
  const machine::GuestSmmuAccount smmu = smmu_->account();
  json functions = json::array();
  for (const auto& rng : rngs_) {
    json one = place(rng->name, rng->address);
    one.update(stages(rng->requests));
    one["dma"] = dma(rng->device.dma_counters());
    one["queue"] = queue(rng->device.queue());
    one["translation"] = translation(rng->requests);
    const pcie::Delivered delivered = rng->device.delivered();
    one["delivered"] = {
        {"bytes", delivered.bytes}, {"buffers", delivered.buffers}, {"digest", fmt::format("{:#x}", delivered.digest)}};
    one["messages"] = rng->server->messages();
    functions.push_back(one);
  }
  for (const auto& copy : copies_) {
    json one = place(copy->name, copy->address);
    one["translation"] = translation(copy->requests);
    const pcie::CopyCounters counters = copy->device.counters();
    one["copy"] = {{"jobs", counters.jobs}, {"bytes", counters.bytes}, {"aborted", counters.aborted}};
    if (pcie::Ats* const ats = copy->device.ats()) {
      one["atc"] = atc(*ats);
    }
    one["messages"] = copy->server->messages();
    one["refused"] = copy->session->refused();
    functions.push_back(one);
  }
  json first = json::array();
  for (const auto& s : smmu.first_stale) {
    first.push_back(stale(s));
  }
  return json{
      {"functions", functions},
      {"commands", commands(*smmu_)},
      {"smmu",
       {{"commands", smmu.model.commands},
        {"syncs", smmu.model.syncs},
        {"command_errors", smmu.model.command_errors},
        {"events", smmu.model.events_recorded},
        {"events_discarded", smmu.model.events_discarded},
        {"messages", smmu.model.messages},
        {"atc_invalidations", smmu.model.atc_invalidations},
        {"atc_timeouts", smmu.model.atc_timeouts},
        {"software_faults", software_faults(smmu_->model())},
        {"stale_uses", stale_uses(smmu_->model())},
        {"cr0", smmu.registers.cr0},
        {"gerror", smmu.registers.gerror ^ smmu.registers.gerrorn},
        {"frame_writes", smmu.frame_writes},
        {"frame_strays", smmu.frame_strays},
        {"bus_strays", smmu.bus_strays},
        {"spoiled", smmu.spoiled},
        {"audits", smmu.audits},
        {"compared", smmu.compared},
        {"stale", smmu.stale},
        {"first_stale", first}}},
      {"interrupts",
       {{"wires", interrupts_.pulses()}, {"messages", interrupts_.messages()}, {"failure", interrupts_.failure()}}}}
      .dump(2);
}

} // namespace sluice::tool

#pragma once

#include <sluice/driver/counters.hpp>
#include <sluice/model/smmu.hpp>
#include <sluice/scenario/notes.hpp>

#include <nlohmann/json.hpp>

// Counters and notes as tools read them.
namespace sluice::scenario {

inline nlohmann::ordered_json json_of(const driver::Counters& c) {
  const iommu::PageRequestCounters& p = c.page_requests;
  return {{"commands", c.commands},
          {"syncs", c.syncs},
          {"doorbells", c.doorbells},
          {"command_errors", c.command_errors},
          {"timeouts", c.timeouts},
          {"changes_in_place", c.changes_in_place},
          {"changes_store128", c.changes_store128},
          {"changes_swung", c.changes_swung},
          {"changes_disruptive", c.changes_disruptive},
          {"invalidations_by_page", c.invalidations_by_page},
          {"invalidations_by_range", c.invalidations_by_range},
          {"invalidations_of_all", c.invalidations_of_all},
          {"asids_moved", c.asids_moved},
          {"atc_invalidations", c.atc_invalidations},
          {"events", c.events},
          {"stalls", c.stalls},
          {"events_unknown", c.events_unknown},
          {"events_unhandled", c.events_unhandled},
          {"events_of_guests", c.events_of_guests},
          {"event_overflows", c.event_overflows},
          {"pages_requested", c.pages_requested},
          {"page_requests_unknown", c.page_requests_unknown},
          {"page_request_overflows", c.page_request_overflows},
          {"global_errors", c.global_errors},
          {"page_requests",
           {{"groups", p.groups},
            {"answered", p.answered},
            {"refused", p.refused},
            {"settled", p.settled},
            {"late", p.late},
            {"overflowed", p.overflowed}}}};
}

inline nlohmann::ordered_json json_of(const model::Counters& c) {
  return {{"commands", c.commands},
          {"syncs", c.syncs},
          {"broadcasts", c.broadcasts},
          {"command_errors", c.command_errors},
          {"events_recorded", c.events_recorded},
          {"events_discarded", c.events_discarded},
          {"events_merged", c.events_merged},
          {"wire_edges", c.wire_edges},
          {"messages", c.messages},
          {"atc_invalidations", c.atc_invalidations},
          {"atc_timeouts", c.atc_timeouts},
          {"pages_requested", c.pages_requested},
          {"page_requests_lost", c.page_requests_lost},
          {"syncs_held", c.syncs_held}};
}

inline nlohmann::ordered_json json_of(const platform::Note& note) {
  return {{"severity", name(note.severity)}, {"code", note.code}, {"name", name_of(note)}, {"args", note.args}};
}

} // namespace sluice::scenario

#include <sluice/scenario/nested_verdict.hpp>

#include <sluice/scenario/verdict.hpp>

#include <fmt/format.h>

namespace sluice::scenario {

bool NestedJobReport::holds() const { return all_hold(checks); }

void judge_work(const NestedJobReport& report, bool hostile, Findings& findings) {
  const auto missing = [&](Kind from, Kind to) {
    if (report.changes.replaced[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)] == 0) {
      findings.add(Rule::work, fmt::format("{} was never replaced by {}", name(from), name(to)));
    }
  };
  missing(Kind::stage1, Kind::stage1);
  missing(Kind::stage1, Kind::identity);
  missing(Kind::identity, Kind::stage1);
  missing(Kind::stage1, Kind::process);
  missing(Kind::process, Kind::stage1);
  missing(Kind::process, Kind::process);
  const ChangeCounts& c = report.changes;
  if (report.traffic.during == 0 || report.traffic.refused == 0 || c.unmaps == 0 || c.reborn == 0) {
    findings.add(Rule::work, "no access met a change, nothing was unmapped and read again, or no domain was made anew");
  }
  if (report.traffic.refused_ats == 0 || report.hardware.atc_invalidations == 0 || report.parents_replaced == 0 ||
      report.restored == 0) {
    findings.add(Rule::work, "no device cached a translation, or the guest never had another HWPT or SMMU under it");
  }
  if (report.guest.invalidations == 0 || report.host.events_of_guests == 0 || report.plugged == 0) {
    findings.add(Rule::work, "the host had nothing to invalidate, no event for the guest, or its memory never changed");
  }
  const StallCounts& s = report.stalls;
  if (s.served == 0 || s.refused == 0 || report.guest.stalls_answered == 0) {
    findings.add(Rule::work, "no access waited for a page and got it, or none was refused");
  }
  const HostileCounts& h = report.hostile;
  if (hostile && (h.registers == 0 || h.stes == 0 || h.dma == 0 || h.misplaced == 0 ||
                  report.other.command_errors == 0 || report.other.invalidations == 0)) {
    findings.add(Rule::work, "the hostile guest did not do everything that it can");
  }
  if (!h.wrong.empty()) {
    findings.add(Rule::queues, "the hostile guest was answered wrong: " + h.wrong);
  }
}

} // namespace sluice::scenario

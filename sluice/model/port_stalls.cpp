#include <sluice/model/port_path.hpp>

#include <algorithm>
#include <cstring>
#include <limits>

// 3.12.2: transactions that wait for software. A waiting one is no access: its port is offline or does others.
namespace sluice::model {

PortCore::~PortCore() {
  for (const auto& w : waiting_) {
    if (w->used) {
      core_.stalls().abandon(w->stalled);
    }
  }
  core_.detach(link_);
}

// From 1, or 0 when there are too many.
std::uint16_t PortCore::free_ticket() {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), [](const auto& w) { return !w->used; });
  if (found == waiting_.end() && waiting_.size() == std::numeric_limits<std::uint16_t>::max()) {
    return 0;
  }
  const auto at = found - waiting_.begin();
  if (found == waiting_.end()) {
    waiting_.push_back(std::make_unique<Waiting>());
  }
  return static_cast<std::uint16_t>(at + 1);
}

std::optional<Outcome> PortCore::stall(const Request& r, Core::Recorded& edges) {
  const std::uint16_t ticket = retried_ != 0 ? retried_ : free_ticket();
  if (ticket == 0) {
    return std::nullopt; // 3.12: a system may terminate what cannot be stalled
  }
  Waiting& w = *waiting_[ticket - 1U];
  w.request = r;
  w.used = true;
  w.stalled.stream_id = r.stream_id;
  const auto recorded = core_.stall(w.stalled, event_of(r));
  edges.add(recorded);
  ++count_.stalls;
  facts_.met(at("access.stalled"));
  if (!recorded.written) {
    facts_.met(at("eventq.stall"));
  }
  return Outcome{Outcome::Kind::stalled, fault_.event, recorded.written, false, ticket};
}

Outcome PortCore::follow_up(std::uint16_t ticket, void* data, Core::Recorded& edges) {
  base::check(ticket != 0 && ticket <= waiting_.size() && waiting_[ticket - 1U]->used);
  Waiting& w = *waiting_[ticket - 1U];
  Verdict verdict = w.stalled.answer();
  if (verdict == Verdict::none) {
    if (w.stalled.recorded) {
      return {Outcome::Kind::stalled, {}, true, false, ticket};
    }
    // 3.5.3: without a record it is tried again, by then perhaps with another result.
    verdict = core_.stalls().withdraw(w.stalled);
    verdict = verdict == Verdict::none ? Verdict::retry : verdict;
  }
  facts_.met(verdict == Verdict::retry   ? at("stall.retry")
             : verdict == Verdict::abort ? at("stall.abort")
                                         : at("stall.zero"));
  w.used = false;
  if (verdict == Verdict::retry) {
    retried_ = ticket;
    const Request again = w.request;
    const Outcome o = access(again, data, edges);
    retried_ = 0;
    return o;
  }
  if (verdict == Verdict::zero && !w.request.write) {
    std::memset(data, 0, w.request.size);
  }
  return {verdict == Verdict::zero ? Outcome::Kind::zeroed : Outcome::Kind::aborted, {}, true};
}

} // namespace sluice::model

#include <sluice/scenario/team.hpp>

#include <fmt/format.h>

namespace sluice::scenario {

void Team::start(const Site& site, std::vector<Stream>& streams, std::size_t threads, EventBook& events,
                 hosted::Random& random) {
  for (std::size_t i = 0; i < threads; ++i) {
    std::vector<Stream*> mine;
    for (std::size_t j = i; j < streams.size(); j += threads) {
      mine.push_back(&streams[j]);
    }
    traffic_.push_back(std::make_unique<Traffic>(site, std::move(mine), events, random.fork(), findings_));
    actors_.push_back(schedule_.start(fmt::format("traffic {}", i),
                                      [t = traffic_.back().get()](const std::stop_token& stop) { t->run(stop); }));
  }
}

TrafficSums Team::stop() {
  for (const auto actor : actors_) {
    schedule_.request_stop(actor);
  }
  for (const auto actor : actors_) {
    if (!schedule_.join(actor)) {
      findings_.add(Rule::queues, "an actor of the traffic hangs");
    }
  }
  actors_.clear();
  TrafficSums sums;
  for (const auto& traffic : traffic_) {
    const TrafficCounts& counts = traffic->counts();
    sums.jobs += counts.jobs.load();
    sums.moved += counts.moved.load();
    sums.verified += counts.verified.load();
    sums.during += counts.during.load();
    sums.refused += counts.refused.load();
    sums.refused_ats += counts.refused_ats.load();
    sums.aborts += counts.aborts.load();
  }
  return sums;
}

std::uint64_t Team::moved() const {
  std::uint64_t sum = 0;
  for (const auto& traffic : traffic_) {
    sum += traffic->counts().moved.load(base::Order::relaxed);
  }
  return sum;
}

} // namespace sluice::scenario
